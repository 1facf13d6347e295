//! A reader: asks what it must get at least, then reads through the cache, and sometimes goes away before the end.

use std::{error::Error, sync::Arc};

use larder_core::cache::{Fetched, Status};

use super::{
    database::KEYS,
    field::{Field, LEASE, Row},
    pause::Pause,
    tally::Tally,
};
use crate::{Outcome, random::Random};

/// One in so many readers goes away.
const GOES_AWAY: u64 = 8;
/// One in so many loaders takes longer than a lease lasts.
const OUTLIVES: u64 = 256;
/// How many findings one reader tells.
const TOLD: u64 = 1;

/// A row, and where it came from.
struct Read {
    row: Row,
    status: Status,
}

impl From<Fetched<Row>> for Read {
    fn from(fetched: Fetched<Row>) -> Self {
        Self { row: *fetched, status: fetched.status() }
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

        between.make().await;
        let floor = field.database.floor(key).await?;
        let reading = read(&field, key, loading);
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
        let Read { row, status } = read;
        if row.key != key || row.version > newest {
            self.wrong += 1;
            return Some(format!("{row:?} is no value of this key, whose newest version is {newest}"));
        }
        if row.version < floor {
            self.stale += 1;
            let status = status.as_str();
            return Some(format!("version {} ({status}) after {floor} was invalidated", row.version));
        }
        None
    }
}

/// Reads through the cache, with the fence or without.
async fn read(field: &Field, key: usize, loading: Pause) -> Result<Read, Box<dyn Error + Send + Sync>> {
    let database = field.database.clone();
    let load = move || async move {
        let version = database.read(key).await?;
        loading.make().await;
        Ok::<_, std::io::Error>(Row { key, version })
    };
    let (cache, key, tag) = (&field.cache, &field.keys[key], Arc::clone(&field.tags[key]));
    if !field.without_fence {
        return Ok(cache.at(key).tag(tag).get_or_load(load).await?.into());
    }
    if let Some(found) = cache.get(key).await? {
        return Ok(found.into());
    }
    let row = load().await?;
    cache.at(key).tag(tag).set(row).await?;
    Ok(Read { row, status: Status::Loaded })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(key: usize, version: u64) -> (u64, u64) {
        let mut tally = Tally::default();
        let read = Read { row: Row { key, version }, status: Status::Hit };
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
