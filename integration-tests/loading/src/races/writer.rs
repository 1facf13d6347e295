//! A writer: commits to the database, then invalidates in the cache, then says so.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use larder_core::Result;

use super::{
    database::KEYS,
    field::{Field, Row, is_tagged},
    tally::Tally,
};
use crate::{Outcome, random::Random, store::faults, words::Words};

/// One in so many invalidations is not waited for.
const GOES_AWAY: u64 = 8;

/// How a writer makes the cache forget a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Delete,
    /// Writes the new value in its place.
    Set,
    /// By the key's tag, which no other key has.
    Tag,
    /// With everything else.
    Clear,
    /// Lets it count as stale, which readers are served only if their loaders fail.
    Expire,
    /// The same by the key's tag.
    ExpireTag,
}

impl Way {
    /// The way that the value of this option names.
    pub(super) fn asked(words: &mut Words, option: &str) -> Outcome<Self> {
        match words.value(option)?.as_str() {
            "delete" => Ok(Self::Delete),
            "set" => Ok(Self::Set),
            "tag" => Ok(Self::Tag),
            "clear" => Ok(Self::Clear),
            "expire" => Ok(Self::Expire),
            "expire-tag" => Ok(Self::ExpireTag),
            other => words.refuse(format_args!("there is no way \"{other}\" to invalidate")),
        }
    }

    /// Mostly deletes. Of a key that only this writer commits to, also a write of the new value: the writes of two
    /// would overtake each other on the way, which no cache can mend.
    fn draw(random: &mut Random, (is_own, is_tagged): (bool, bool), only: Option<Self>) -> Self {
        let drawn = match random.below(64) {
            0 => Self::Clear,
            1..8 => Self::Tag,
            8..12 => Self::ExpireTag,
            12..20 => Self::Expire,
            20..44 => Self::Set,
            _ => Self::Delete,
        };
        match only.unwrap_or(drawn) {
            Self::Set if !is_own => Self::Delete,
            Self::Tag if !is_tagged => Self::Delete,
            Self::ExpireTag if !is_tagged => Self::Expire,
            way => way,
        }
    }
}

/// The keys that many writers commit to; each of the others belongs to one.
const COMMON: usize = KEYS / 2;

/// A key for this writer, of so many in all processes, and whether it is the writer's own. Some are written more often,
/// so that others are also read in peace.
fn draw_key(random: &mut Random, writer: u64, of: u64) -> Outcome<(usize, bool)> {
    let own: Vec<usize> = (COMMON..KEYS).filter(|key| (*key - COMMON) as u64 % of == writer).collect();
    if !own.is_empty() && random.one_in(3) {
        return Ok((own[usize::try_from(random.below(own.len() as u64))?], true));
    }
    let most = if random.one_in(2) { COMMON } else { COMMON / 4 };
    Ok((usize::try_from(random.below(most as u64))?, false))
}

/// Runs writer number `writer` of so many in all processes.
pub(super) async fn run(field: Arc<Field>, (writer, of): (u64, u64), mut random: Random) -> Outcome<Tally> {
    let Field { database, pace, .. } = &*field;
    let mut tally = Tally::default();
    // A write that failed may still arrive, after whatever comes next.
    let mut doubtful = HashSet::new();
    while !field.is_over.load(Ordering::SeqCst) {
        let between = pace.writer.draw(&mut random);
        let (key, is_own) = draw_key(&mut random, writer, of)?;
        let way = Way::draw(&mut random, (is_own, is_tagged(key)), field.by);
        let before_invalidating = pace.commit.draw(&mut random);
        let patience = pace.patience.draw(&mut random);
        let goes_away = random.one_in(GOES_AWAY) && way != Way::Set;

        between.make().await;
        let version = database.commit(key).await?;
        before_invalidating.make().await;
        let invalidating = invalidate(&field, way, key, version);
        let done = if goes_away {
            tokio::select! {
                biased;
                done = invalidating => Some(done),
                () = patience.make() => None,
            }
        } else {
            Some(invalidating.await)
        };
        match done {
            Some(Ok(())) if !doubtful.contains(&key) => {
                field.invalidated(key, version).await?;
                tally.count(way);
            }
            Some(Ok(())) => {}
            // Whether the key is gone is not known, so nothing is promised to the readers.
            None => tally.writers_gone += 1,
            Some(Err(error)) => {
                if tally.failed == 0 && error.kind() != faults::KIND {
                    eprintln!("process {}: {way:?} failed: {}", field.process, error.chain());
                }
                tally.failed += 1;
                if way == Way::Set && error.kind() != faults::KIND {
                    doubtful.insert(key);
                }
            }
        }
    }
    Ok(tally)
}

async fn invalidate(field: &Field, way: Way, key: usize, version: u64) -> Result<()> {
    let (cache, tag) = (&field.cache, &field.tags[key]);
    match way {
        Way::Delete => cache.delete(&field.keys[key]).await.map(drop),
        Way::Set if !is_tagged(key) => cache.set(&field.keys[key], Row { key, version }).await,
        Way::Set => cache.at(&field.keys[key]).tag(Arc::clone(tag)).set(Row { key, version }).await,
        Way::Tag => cache.invalidate_tag(tag).await,
        Way::Clear => cache.clear().await,
        Way::Expire => cache.expire(&field.keys[key]).await.map(drop),
        Way::ExpireTag => cache.expire_tag(tag).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_a_value_is_the_only_one_who_commits_to_its_key() {
        for of in [1, 4, 16, 32] {
            let mut owners = [None; KEYS];
            for writer in 0..of {
                let mut random = Random::of_task(1, 0, writer);
                for _ in 0..500 {
                    let (key, is_own) = draw_key(&mut random, writer, of).unwrap();
                    assert_eq!(is_own, key >= COMMON);
                    if is_own {
                        assert_eq!(*owners[key].get_or_insert(writer), writer, "{key} of {of} writers");
                    }
                }
            }
            assert!(owners[COMMON..].iter().all(Option::is_some), "{owners:?}");
        }
    }

    #[test]
    fn all_ways_occur_and_only_an_own_key_is_set() {
        let mut random = Random::of_task(1, 0, 0);
        let mut draw =
            |is_own| (0..1000).map(|_| Way::draw(&mut random, (is_own, true), None)).collect::<Vec<_>>();
        let (own, common) = (draw(true), draw(false));
        for way in [Way::Delete, Way::Set, Way::Tag, Way::Clear, Way::Expire, Way::ExpireTag] {
            assert!(own.contains(&way), "{way:?}");
            assert_eq!(common.contains(&way), way != Way::Set, "{way:?}");
            assert_eq!(Way::draw(&mut random, (true, true), Some(way)), way);
        }
        assert_eq!(Way::draw(&mut random, (true, false), Some(Way::Tag)), Way::Delete);
    }
}
