//! Two stores, of which the second stands in for the first: which one is asked, and that neither serves what it has missed.
//! Each failover of these cases is a process of its own, which may lose sight of either store.

mod bulk;
mod processes;

use std::{convert::Infallible, sync::Arc, time::Duration};

use larder_core::{
    Backend, Cache, ErrorKind, Key,
    backend::{CircuitState, Condition, GetOptions, SetOptions},
    cache::Status,
    key::StoreKey,
};

use crate::{
    between::{Between, Calls},
    case::{Case, family},
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    patience::soon,
    probe::{Direct, Probe},
    stacks::FailingOver,
    value::Value,
};

pub(crate) fn cases() -> Vec<Case> {
    [CASES, bulk::CASES, processes::CASES].concat()
}

family! { "failover" needs [Storing, FailingOver]:
    while_the_first_answers_the_second_is_left_alone = "While the first store answers, before an outage and after it, the second is not asked for an entry.";
    while_the_first_is_away_the_second_answers = "While the first store is away the second answers each operation, and the first is left alone.";
    with_both_away_it_is_as_with_one = "With both stores away calls fail, loaders answer, and the second is used as soon as it is back.";
    what_the_first_has_missed_it_does_not_serve = "What was removed or overwritten while the first store was away, it does not serve afterwards.";
    what_the_second_has_missed_it_does_not_serve = "What was removed while the first store answered, the second does not serve when the first is away again.";
    invalidations_hold_for_the_levels_below = "A clear and a tag that were invalidated while the first store was away hold afterwards, for the levels below as well.";
    what_is_remembered_of_one_store_does_not_hold_for_the_other = "Versions that are remembered of one store say nothing of the entries of the other.";
    a_token_of_one_store_matches_nothing_in_the_other = "A token of one store matches nothing in the other.";
    a_write_that_lands_late_does_no_harm = "A write from before the outage that lands in the first store after it is not served.";
}

/// Longer than any case takes.
const LONG: Duration = Duration::from_hours(1);

/// The most failures that a breaker needs to open.
const MOST: usize = 64;

/// A failover, as one process has it.
struct Process {
    backend: Arc<dyn Backend>,
    store: Direct,
    first: Between,
    second: Between,
    /// A cache that sees at once what others clear.
    cache: Probe,
}

impl Process {
    /// One that has just started.
    fn new(t: &Context, name: &str) -> Self {
        let FailingOver { stores: [first, second], make, .. } = t.failing_over();
        let first = Between::new(t.connect_to("the first store", &first));
        let second = Between::new(t.connect_to("the second store", &second));
        let backend = make(Arc::new(first.clone()), Arc::new(second.clone()), t.clock().clone());
        t.log.add(format!("let {name} = failover(first, second);"));
        let store = t.direct_to(name, Arc::clone(&backend));
        let cache =
            t.cache_on(name, Arc::clone(&backend), |builder| builder.invalidation_lag(Duration::ZERO));
        Self { backend, store, first, second, cache }
    }

    fn is_with_first(&self) -> bool {
        self.backend.circuits().iter().all(|circuit| circuit.state == CircuitState::Closed)
    }

    /// A call that says nothing.
    async fn call(&self) {
        let nothing = Key::new("nothing");
        let _ = self.backend.get(&StoreKey::new(self.store.namespace(), &nothing), &GetOptions::new()).await;
    }

    /// It no longer reaches the first store, and has noticed.
    async fn loses_first(&self, t: &Context) -> Verdict {
        t.log.add("// the first store is away".to_owned());
        self.first.fails(ErrorKind::Unavailable);
        for _ in 0..MOST {
            if !self.is_with_first() {
                break;
            }
            self.call().await;
        }
        holds(!self.is_with_first(), "a breaker that opens", self.backend.circuits())
    }

    /// It reaches the first store again, and has noticed.
    async fn finds_first(&self, t: &Context) -> Verdict {
        t.log.add("// the first store is back".to_owned());
        self.first.heal();
        t.pass(t.failing_over().open_for).await;
        soon("the first store to be used again", || async {
            self.call().await;
            Ok(self.is_with_first())
        })
        .await
    }

    /// How often entries of the case's own namespace were asked for, or told of, in each store.
    fn asked(&self) -> (usize, usize) {
        let entries = format!("{}:", self.store.namespace().text());
        (self.first.asked(Calls::All, &entries), self.second.asked(Calls::All, &entries))
    }

    async fn has(&self, key: &str, expected: &str) -> Verdict {
        same(self.cache.get(key).await?, Some(expected.into()))
    }

    async fn lacks(&self, key: &str) -> Verdict {
        same(self.cache.get(key).await?, None)
    }
}

async fn loaded() -> Result<Value, Infallible> {
    Ok(Value::from("loaded"))
}

async fn while_the_first_answers_the_second_is_left_alone(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    for is_after in [false, true] {
        if is_after {
            p.loses_first(t).await?;
            p.finds_first(t).await?;
        }
        let before = p.asked();
        p.cache.set("k", "v").await?;
        p.has("k", "v").await?;
        for one in p.cache.get_many(&["k".into(), "missing".into()]).await? {
            one?;
        }
        p.cache.touch("k", LONG).await?;
        same(p.cache.get_or_load("loaded", loaded).await?.0, "loaded".into())?;
        same(p.cache.delete("k").await?, true)?;
        p.cache.delete("loaded").await?;
        let after = p.asked();
        same(after.1 - before.1, 0)?;
        holds(after.0 - before.0 >= 8, "calls of the first store", after)?;
    }
    Ok(())
}

async fn while_the_first_is_away_the_second_answers(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    p.cache.set("k", "before").await?;
    p.loses_first(t).await?;
    let before = p.asked();
    p.lacks("k").await?;
    p.cache.set("k", "v").await?;
    p.has("k", "v").await?;
    same(p.cache.add("k", "w").await?, false)?;
    same(p.cache.touch("k", LONG).await?, true)?;
    same(p.cache.get_or_load("loaded", loaded).await?, ("loaded".into(), Status::Loaded))?;
    same(p.cache.get_or_load("loaded", loaded).await?, ("loaded".into(), Status::Hit))?;
    same(p.cache.delete("k").await?, true)?;
    p.lacks("k").await?;
    same(p.asked().0 - before.0, 0)
}

async fn with_both_away_it_is_as_with_one(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    p.cache.set("k", "before").await?;
    p.loses_first(t).await?;
    p.cache.set("k", "v").await?;
    p.second.fails(ErrorKind::Unavailable);
    fails(p.cache.get("k").await, ErrorKind::Unavailable)?;
    fails(p.cache.set("k", "w").await, ErrorKind::Unavailable)?;
    fails(p.cache.delete("k").await, ErrorKind::Unavailable)?;
    for one in p.cache.get_many(&["k".into(), "missing".into()]).await? {
        fails(one, ErrorKind::Unavailable)?;
    }
    same(p.cache.get_or_load("k", loaded).await?, ("loaded".into(), Status::LoadedNotStored))?;
    p.second.heal();
    p.has("k", "v").await
}

async fn what_the_first_has_missed_it_does_not_serve(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    for key in ["deleted", "changed"] {
        p.cache.set(key, "before").await?;
    }
    p.loses_first(t).await?;
    p.cache.delete("deleted").await?;
    p.cache.set("changed", "meanwhile").await?;
    p.finds_first(t).await?;
    p.lacks("deleted").await?;
    let changed = p.cache.get("changed").await?;
    holds(changed != Some("before".into()), "nothing, or what was written last", &changed)
}

async fn what_the_second_has_missed_it_does_not_serve(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    p.cache.set("other", "v").await?;
    p.loses_first(t).await?;
    p.cache.set("k", "in the first outage").await?;
    p.finds_first(t).await?;
    p.cache.set("k", "afterwards").await?;
    p.cache.delete("k").await?;
    p.loses_first(t).await?;
    p.lacks("k").await?;
    p.cache.set("k", "in the second outage").await?;
    p.has("k", "in the second outage").await
}

async fn invalidations_hold_for_the_levels_below(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    for by_tag in [false, true] {
        let name = if by_tag { "tag" } else { "clear" };
        let cache = |path: &str| -> Cache<Value> {
            let namespace = t.namespace_of(path);
            let with = |builder: larder_core::cache::CacheBuilder<Value>| {
                builder.namespace(namespace).invalidation_lag(Duration::ZERO)
            };
            t.cache_on(path, Arc::clone(&p.backend), with).cache().clone()
        };
        let (above, below) = (cache(name), cache(&format!("{name}/below")));
        let key = Key::new("k");
        below.at(&key).tag("t").set("v".into()).await?;
        p.loses_first(t).await?;
        if by_tag {
            below.invalidate_tag("t").await?;
        } else {
            above.clear().await?;
        }
        p.finds_first(t).await?;
        same(below.get(&key).await?.map(|found| Value::clone(&found)), None)?;
    }
    Ok(())
}

async fn what_is_remembered_of_one_store_does_not_hold_for_the_other(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    let cache = t.cache_on("lagging", Arc::clone(&p.backend), |builder| builder.invalidation_lag(LONG));
    for key in ["k", "other"] {
        cache.set(key, "before").await?;
        same(cache.get(key).await?, Some("before".into()))?;
    }
    p.loses_first(t).await?;
    cache.delete("k").await?;
    p.finds_first(t).await?;
    same(cache.get("k").await?, None)?;
    // And the other way round.
    p.loses_first(t).await?;
    cache.set("other", "meanwhile").await?;
    same(cache.get("other").await?, Some("meanwhile".into()))?;
    p.finds_first(t).await?;
    cache.delete("other").await?;
    p.loses_first(t).await?;
    same(cache.get("other").await?, None)
}

async fn a_token_of_one_store_matches_nothing_in_the_other(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    let token = async || p.store.token("k").await?.ok_or_else(|| Failure::new("a token", "none"));
    let write = async |token| p.store.set_when("k", "by a token", LONG, Condition::Unchanged(token)).await;
    p.store.set("k", "before", LONG).await?;
    let before = token().await?;
    p.loses_first(t).await?;
    p.store.set("k", "meanwhile", LONG).await?;
    same(write(before).await?, false)?;
    same(p.store.delete_when("k", Condition::Unchanged(before)).await?, false)?;
    same(p.store.get("k").await?.as_deref(), Some("meanwhile"))?;
    let meanwhile = token().await?;
    same(write(meanwhile).await?, true)?;
    let meanwhile = token().await?;
    p.finds_first(t).await?;
    p.store.set("k", "afterwards", LONG).await?;
    same(write(meanwhile).await?, false)?;
    same(p.store.get("k").await?.as_deref(), Some("afterwards"))
}

async fn a_write_that_lands_late_does_no_harm(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    let first = t.direct_to("first", t.connect_to("the first store", &t.failing_over().stores[0]));
    p.cache.set("k", "before").await?;
    let late = first.entry_of("k").await?.ok_or_else(|| Failure::new("an entry", "none"))?;
    p.loses_first(t).await?;
    p.cache.delete("k").await?;
    p.finds_first(t).await?;
    p.cache.set("other", "afterwards").await?;
    first.put(&Key::new("k"), &late, SetOptions::new(LONG.into())).await?;
    p.lacks("k").await?;
    p.has("other", "afterwards").await
}
