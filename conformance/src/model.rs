//! Random operations against the store and against a plain map: both must say the same, always. What fails is
//! shrunk to the least that fails, and told as code that can be pasted as a new case.

use std::{collections::BTreeMap, fmt, time::Duration};

use larder_core::{Key, Ttl};
use proptest::{prelude::*, sample::select};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict},
    probe::Probe,
    search::{Program, search},
    value::Value,
};

family! { "model" heavy:
    random_operations_agree_with_a_map = "Whatever is done in whatever order, the store answers as a map would.";
    #[needs(InjectedClock)]
    random_operations_agree_with_a_map_as_time_passes = "Lives end when they should, whatever was done meanwhile.";
}

/// Few keys, so that operations meet; odd ones, so that escaping is part of it.
const KEYS: [&str; 4] = ["a", "A", "a b:c", "*"];
const TAGS: [&str; 2] = ["t", "u"];

/// One operation. Lives and steps are seconds of the injected clock.
#[derive(Debug, Clone)]
enum Step {
    Set(usize, i64, Life, Vec<usize>),
    Add(usize, i64, Life),
    Delete(usize),
    Touch(usize, Life),
    Get(usize),
    Contains(usize),
    GetMany(Vec<usize>),
    SetMany(Vec<(usize, i64)>),
    DeleteMany(Vec<usize>),
    InvalidateTag(usize),
    Clear,
    Pass(u64),
}

/// A life, in seconds. `None` for never.
type Life = Option<u64>;

fn ttl(life: Life) -> Ttl {
    life.map_or(Ttl::Never, |seconds| Ttl::After(Duration::from_secs(seconds)))
}

/// As code on a cache.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |life: &Life| match life {
            Some(seconds) => format!("Duration::from_secs({seconds})"),
            None => "Ttl::Never".to_owned(),
        };
        let names = |keys: &[usize]| keys.iter().map(|key| KEYS[*key]).collect::<Vec<_>>();
        match self {
            Self::Set(key, value, life, tags) => {
                let tags: Vec<_> = tags.iter().map(|tag| TAGS[*tag]).collect();
                let (key, life) = (KEYS[*key], code(life));
                write!(
                    f,
                    "cache.at(&Key::new({key:?})).ttl({life}).tags({tags:?}).set({value}.into()).await?;"
                )
            }
            Self::Add(key, value, life) => {
                let (key, life) = (KEYS[*key], code(life));
                write!(f, "cache.at(&Key::new({key:?})).ttl({life}).add({value}.into()).await?;")
            }
            Self::Delete(key) => write!(f, "cache.delete({:?}).await?;", KEYS[*key]),
            Self::Touch(key, life) => write!(f, "cache.touch({:?}, {}).await?;", KEYS[*key], code(life)),
            Self::Get(key) => write!(f, "cache.get({:?}).await?;", KEYS[*key]),
            Self::Contains(key) => write!(f, "cache.contains({:?}).await?;", KEYS[*key]),
            Self::GetMany(keys) => write!(f, "cache.get_many(&{:?}.map(Key::new)).await?;", names(keys)),
            Self::SetMany(items) => {
                let items: Vec<_> = items.iter().map(|(key, value)| (KEYS[*key], value)).collect();
                write!(f, "cache.set_many({items:?}).await?;")
            }
            Self::DeleteMany(keys) => {
                write!(f, "cache.delete_many(&{:?}.map(Key::new)).await?;", names(keys))
            }
            Self::InvalidateTag(tag) => write!(f, "cache.invalidate_tag({:?}).await?;", TAGS[*tag]),
            Self::Clear => write!(f, "cache.clear().await?;"),
            Self::Pass(seconds) => write!(f, "t.pass(Duration::from_secs({seconds})).await;"),
        }
    }
}

fn steps(with_time: bool) -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS.len();
    let keys = || proptest::collection::vec(0..KEYS.len(), 0..4);
    let value = || 0..5_i64;
    let life = move || {
        select(if with_time {
            vec![None, Some(0), Some(10), Some(100)]
        } else {
            vec![None, Some(0), Some(1000)]
        })
    };
    let tags = || proptest::sample::subsequence(vec![0, 1], 0..=2);
    let step = prop_oneof![
        4 => (key(), value(), life(), tags()).prop_map(|(key, value, life, tags)| Step::Set(key, value, life, tags)),
        2 => (key(), value(), life()).prop_map(|(key, value, life)| Step::Add(key, value, life)),
        2 => key().prop_map(Step::Delete),
        2 => (key(), life()).prop_map(|(key, life)| Step::Touch(key, life)),
        3 => key().prop_map(Step::Get),
        1 => key().prop_map(Step::Contains),
        1 => keys().prop_map(Step::GetMany),
        1 => proptest::collection::vec((key(), value()), 0..4).prop_map(Step::SetMany),
        1 => keys().prop_map(Step::DeleteMany),
        1 => (0..TAGS.len()).prop_map(Step::InvalidateTag),
        1 => Just(Step::Clear),
        2 => select(if with_time { vec![4_u64, 10, 11, 99] } else { vec![0] }).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..25)
}

/// What a store should know.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<usize, Kept>,
    now: u64,
    default_life: u64,
    /// Where an entry that only a tag or a clear killed may count as removed.
    shared: bool,
}

#[derive(Debug, Clone)]
struct Kept {
    value: i64,
    expires: Option<u64>,
    tags: Vec<usize>,
    killed: bool,
}

impl Model {
    fn get(&self, key: usize) -> Option<i64> {
        self.live(key).map(|kept| kept.value)
    }

    fn live(&self, key: usize) -> Option<&Kept> {
        self.entries
            .get(&key)
            .filter(|kept| !kept.killed && kept.expires.is_none_or(|expires| self.now < expires))
    }

    fn put(&mut self, key: usize, value: i64, life: Life, tags: &[usize]) {
        if life == Some(0) {
            self.entries.remove(&key);
            return;
        }
        let expires = life.map(|life| self.now + life);
        self.entries.insert(key, Kept { value, expires, tags: tags.to_vec(), killed: false });
    }

    /// What a delete answers; `None` where either answer is right.
    fn delete(&mut self, key: usize) -> Option<bool> {
        let live = self.live(key).is_some();
        let killed = self.entries.remove(&key).is_some_and(|kept| kept.killed);
        if killed && self.shared { None } else { Some(live) }
    }

    fn kill(&mut self, which: impl Fn(&Kept) -> bool) {
        self.entries.values_mut().filter(|kept| which(kept)).for_each(|kept| kept.killed = true);
    }
}

async fn random_operations_agree_with_a_map(t: &Context) -> Verdict {
    agree(t, false, 40).await
}

async fn random_operations_agree_with_a_map_as_time_passes(t: &Context) -> Verdict {
    agree(t, true, 400).await
}

async fn agree(t: &Context, with_time: bool, rounds: u32) -> Verdict {
    let name = if with_time { "model_as_time_passes" } else { "model" };
    let play = |round: &str, Steps(steps)| {
        let round = round.to_owned();
        async move { play(t, &round, &steps).await }
    };
    search(t, name, rounds, move || steps(with_time).prop_map(Steps), play).await
}

/// A program.
#[derive(Debug, Clone)]
struct Steps(Vec<Step>);

impl Program for Steps {
    fn code(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Does it all to the store and to the model.
async fn play(t: &Context, round: &str, steps: &[Step]) -> Verdict {
    const DEFAULT: u64 = 50;
    let namespace = format!("{}-m{round}", t.namespace());
    let cache = t.silent_cache(|builder| builder.namespace(namespace).ttl(Duration::from_secs(DEFAULT)));
    let shared = !t.in_process();
    let mut model = Model { default_life: DEFAULT, shared, ..Model::default() };
    for step in steps {
        do_both(t, &cache, &mut model, step).await?;
    }
    for (key, name) in KEYS.iter().enumerate() {
        let seen = cache.get(*name).await?;
        agree_on(format_args!("get({name:?})"), seen, model.get(key).map(Value::Signed))?;
    }
    Ok(())
}

async fn do_both(t: &Context, cache: &Probe, model: &mut Model, step: &Step) -> Verdict {
    let key_of = |key: &usize| Key::new(KEYS[*key]);
    match step {
        Step::Set(key, value, life, tags) => {
            let names: Vec<&str> = tags.iter().map(|tag| TAGS[*tag]).collect();
            cache.cache().at(&key_of(key)).ttl(ttl(*life)).tags(names).set(Value::Signed(*value)).await?;
            model.put(*key, *value, *life, tags);
        }
        Step::Add(key, value, life) => {
            let added = cache.add_for(key_of(key), *value, ttl(*life)).await?;
            let expected = model.live(*key).is_none();
            agree_on(step, added, expected)?;
            // One that lives no time leaves what is dead where it is.
            if expected && *life != Some(0) {
                model.put(*key, *value, *life, &[]);
            }
        }
        Step::Delete(key) => {
            let removed = cache.delete(key_of(key)).await?;
            if let Some(expected) = model.delete(*key) {
                agree_on(step, removed, expected)?;
            }
        }
        Step::Touch(key, life) => {
            let touched = cache.touch(key_of(key), ttl(*life)).await?;
            let expected = model.live(*key).is_some();
            agree_on(step, touched, expected)?;
            let now = model.now;
            if *life == Some(0) && expected {
                model.entries.remove(key);
            } else if let Some(kept) = model.entries.get_mut(key).filter(|_| expected) {
                kept.expires = life.map(|life| now + life);
            }
        }
        Step::Get(key) => {
            agree_on(step, cache.get(key_of(key)).await?, model.get(*key).map(Value::Signed))?;
        }
        Step::Contains(key) => agree_on(step, cache.contains(key_of(key)).await?, model.get(*key).is_some())?,
        Step::GetMany(keys) => {
            let names: Vec<Key> = keys.iter().map(key_of).collect();
            let seen: Result<Vec<_>, _> = cache.get_many(&names).await?.into_iter().collect();
            let expected: Vec<_> = keys.iter().map(|key| model.get(*key).map(Value::Signed)).collect();
            agree_on(step, seen?, expected)?;
        }
        Step::SetMany(items) => {
            let values = items.iter().map(|(key, value)| (key_of(key), Value::Signed(*value))).collect();
            let written: Result<Vec<()>, _> = cache.set_many(values).await?.into_iter().collect();
            agree_on(step, written?.len(), items.len())?;
            let life = Some(model.default_life);
            items.iter().for_each(|(key, value)| model.put(*key, *value, life, &[]));
        }
        Step::DeleteMany(keys) => {
            let names: Vec<Key> = keys.iter().map(key_of).collect();
            for (key, removed) in keys.iter().zip(cache.delete_many(&names).await?) {
                let removed = removed?;
                // A key that stands there twice is removed once, by either of the two.
                let twice = keys.iter().filter(|other| *other == key).count() > 1;
                if let Some(expected) = model.delete(*key).filter(|_| !twice) {
                    agree_on(step, removed, expected)?;
                }
            }
        }
        Step::InvalidateTag(tag) => {
            cache.invalidate_tag(TAGS[*tag]).await?;
            model.kill(|kept| kept.tags.contains(tag));
        }
        Step::Clear => {
            cache.clear().await?;
            model.kill(|_| true);
        }
        Step::Pass(seconds) => {
            t.clock().advance(Duration::from_secs(*seconds));
            model.now += seconds;
        }
    }
    Ok(())
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "the model compares what it has just been given")]
fn agree_on<T: PartialEq + fmt::Debug>(done: impl fmt::Display, seen: T, expected: T) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    Err(Failure::new(format_args!("{expected:?}"), format_args!("{seen:?} from {done}")))
}
