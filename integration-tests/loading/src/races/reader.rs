//! A reader: asks what it must get at least, then reads through the cache, and sometimes goes away before the end.

use std::{collections::HashMap, error::Error, sync::Arc};

use larder_core::{
    Key,
    cache::{Fetched, Status},
};

use super::{
    database::KEYS,
    field::{Field, LEASE, Row, is_tagged},
    pause::Pause,
    tally::Tally,
};
use crate::{Outcome, random::Random};

/// One in so many readers goes away.
const GOES_AWAY: u64 = 8;
/// One in so many loaders takes longer than a lease lasts.
const OUTLIVES: u64 = 256;
/// One in so many reads of a key without a tag is of several keys at once.
const OF_MANY: u64 = 2;
/// How many findings one reader tells.
const TOLD: u64 = 1;

/// How a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Plain,
    /// With other keys.
    Many,
    /// Takes nothing of what is there.
    Fresh,
    /// Begins a load in the background with most hits.
    Early,
}

impl Mode {
    fn draw(random: &mut Random, is_tagged: bool) -> Self {
        if !is_tagged && random.one_in(OF_MANY) {
            return Self::Many;
        }
        match random.below(32) {
            0 => Self::Fresh,
            1..3 => Self::Early,
            _ => Self::Plain,
        }
    }
}

/// A row, and where it came from.
struct Read {
    row: Row,
    status: Status,
    is_near: bool,
}

impl From<Fetched<Row>> for Read {
    fn from(fetched: Fetched<Row>) -> Self {
        Self { row: *fetched, status: fetched.status(), is_near: fetched.is_near() }
    }
}

pub(super) async fn run(field: Arc<Field>, reader: u64, mut random: Random, rounds: u64) -> Outcome<Tally> {
    let mut tally = Tally::default();
    while tally.rounds < rounds {
        let key = usize::try_from(random.below(KEYS as u64))?;
        let between = field.pace.reader.draw(&mut random);
        let loading = field.pace.loader.draw(&mut random);
        let loading = if random.one_in(OUTLIVES) { Pause::Sleep(LEASE.mul_f64(1.5)) } else { loading };
        let patience = field.pace.patience.draw(&mut random);
        let goes_away = random.one_in(GOES_AWAY);
        let mode = Mode::draw(&mut random, is_tagged(key));

        between.make().await;
        let floor = field.floor(key).await?;
        let reading = read(&field, key, loading, mode);
        let read = if goes_away {
            tokio::select! {
                biased;
                read = reading => Some(read),
                () = patience.make() => None,
            }
        } else {
            Some(reading.await)
        };
        let Some(read) = read else {
            tally.readers_gone += 1;
            continue;
        };
        tally.rounds += 1;
        match mode {
            Mode::Plain => {}
            Mode::Many => tally.of_many += 1,
            Mode::Fresh => tally.fresh += 1,
            Mode::Early => tally.by_policy += 1,
        }
        let newest = field.database.read(key).await?;
        let problem = match read {
            Ok(read) => {
                tally.count_read(&read);
                tally.judge(&read, key, floor, newest)
            }
            Err(error) => {
                tally.errors += 1;
                Some(error.to_string())
            }
        };
        if let Some(problem) = problem
            && !field.without_fence
            && tally.stale + tally.wrong + tally.errors <= TOLD
        {
            let (process, round) = (field.process, tally.rounds);
            eprintln!("process {process}, reader {reader}, round {round}, key {key}: {problem}");
        }
    }
    Ok(tally)
}

impl Tally {
    fn count_read(&mut self, read: &Read) {
        self.near += u64::from(read.is_near);
        match read.status {
            Status::Hit => self.hits += 1,
            Status::Loaded => self.loaded += 1,
            Status::Joined => self.joined += 1,
            _ => self.not_stored += 1,
        }
    }

    /// What is wrong with a read that began when the floor was this, and ended when no newer version than that was
    /// committed.
    fn judge(&mut self, read: &Read, key: usize, floor: u64, newest: u64) -> Option<String> {
        let Read { row, status, is_near } = read;
        if row.key != key || row.version > newest {
            self.wrong += 1;
            return Some(format!("{row:?} is no value of this key, whose newest version is {newest}"));
        }
        if row.version < floor {
            self.stale += 1;
            let (status, near) = (status.as_str(), if *is_near { ", near" } else { "" });
            return Some(format!("version {} ({status}{near}) after {floor} was invalidated", row.version));
        }
        None
    }
}

/// Reads through the cache, with the fence or without.
async fn read(
    field: &Field,
    key: usize,
    loading: Pause,
    mode: Mode,
) -> Result<Read, Box<dyn Error + Send + Sync>> {
    let database = field.database.clone();
    let load = move || async move {
        let version = database.read(key).await?;
        loading.make().await;
        Ok::<_, std::io::Error>(Row { key, version })
    };
    let (cache, tag) = (&field.cache, Arc::clone(&field.tags[key]));
    let at = cache.at(&field.keys[key]);
    let at = if is_tagged(key) { at.tag(tag) } else { at };
    if field.without_fence {
        if let Some(found) = cache.get(&field.keys[key]).await? {
            return Ok(found.into());
        }
        let row = load().await?;
        at.set(row).await?;
        return Ok(Read { row, status: Status::Loaded, is_near: false });
    }
    Ok(match mode {
        Mode::Plain => at.get_or_load(load).await?.into(),
        Mode::Fresh => at.fresh().get_or_load(load).await?.into(),
        Mode::Early => at.policy(|policy| policy.early_refresh(1e-9)).get_or_load(load).await?.into(),
        Mode::Many => read_many(field, key, loading).await?,
    })
}

/// Reads the key with others that have no tag either.
async fn read_many(field: &Field, key: usize, loading: Pause) -> Result<Read, Box<dyn Error + Send + Sync>> {
    let others = (0..KEYS).filter(|other| !is_tagged(*other));
    let numbers: Vec<usize> = others.cycle().skip_while(|other| *other != key).take(3).collect();
    let database = field.database.clone();
    let known: HashMap<Key, usize> = numbers.iter().map(|key| (field.keys[*key].clone(), *key)).collect();
    let load = move |missing: Vec<Key>| async move {
        let mut rows = Vec::with_capacity(missing.len());
        for asked in missing {
            let Some(key) = known.get(&asked).copied() else { continue };
            let version = database.read(key).await?;
            rows.push((asked, Row { key, version }));
        }
        loading.make().await;
        Ok::<_, std::io::Error>(rows)
    };
    let keys = numbers.iter().map(|key| &field.keys[*key]);
    let read = field.cache.get_or_load_many(keys, load).await?.into_iter().next();
    Ok(read.ok_or("no answer")??.ok_or("no value")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(key: usize, version: u64) -> (u64, u64) {
        let mut tally = Tally::default();
        let read = Read { row: Row { key, version }, status: Status::Hit, is_near: false };
        let told = tally.judge(&read, 3, 5, 9);
        assert_eq!(told.is_some(), tally.stale + tally.wrong > 0);
        (tally.stale, tally.wrong)
    }

    #[test]
    fn a_read_is_held_against_the_floor_and_the_newest_version() {
        assert_eq!(judged(3, 5), (0, 0));
        assert_eq!(judged(3, 9), (0, 0));
        assert_eq!(judged(3, 4), (1, 0));
        assert_eq!(judged(3, 10), (0, 1));
        assert_eq!(judged(2, 7), (0, 1));
    }
}
