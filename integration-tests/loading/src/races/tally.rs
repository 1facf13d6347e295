//! What has happened in a run, counted.

use std::fmt;

use super::writer::Way;

/// Counts of one task, one process or all of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Reads that were looked at.
    pub(crate) rounds: u64,
    /// Of them: older than an invalidation that had returned before they began.
    pub(crate) stale: u64,
    /// Of them: not of the key, or of a version that was not committed.
    pub(crate) wrong: u64,
    /// Reads that gave an error.
    pub(crate) errors: u64,
    /// Reads that the caller did not wait for.
    pub(crate) readers_gone: u64,
    /// Reads that found the value in the store.
    pub(crate) hits: u64,
    /// Of them: in a near copy.
    pub(crate) near: u64,
    /// Reads whose loader's value was stored.
    pub(crate) loaded: u64,
    /// Reads whose loader's value was not stored: fenced, or the store failed.
    pub(crate) not_stored: u64,
    /// Reads that waited for another's load.
    pub(crate) joined: u64,
    /// Invalidations that returned, by way.
    pub(crate) deletes: u64,
    pub(crate) sets: u64,
    pub(crate) by_tag: u64,
    pub(crate) clears: u64,
    pub(crate) expired: u64,
    pub(crate) expired_by_tag: u64,
    /// Reads of several keys at once, reads that take nothing of what is there, and reads under a policy of their own.
    pub(crate) of_many: u64,
    pub(crate) fresh: u64,
    pub(crate) by_policy: u64,
    /// Invalidations that failed.
    pub(crate) failed: u64,
    /// Invalidations that the caller did not wait for.
    pub(crate) writers_gone: u64,
}

const FIELDS: usize = 21;

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        let mut sum = self.numbers();
        sum.iter_mut().zip(other.numbers()).for_each(|(sum, number)| *sum += number);
        *self = Self::from(sum);
    }

    /// Counts an invalidation that has returned.
    pub(crate) fn count(&mut self, way: Way) {
        *match way {
            Way::Delete => &mut self.deletes,
            Way::Set => &mut self.sets,
            Way::Tag => &mut self.by_tag,
            Way::Clear => &mut self.clears,
            Way::Expire => &mut self.expired,
            Way::ExpireTag => &mut self.expired_by_tag,
        } += 1;
    }

    pub(crate) fn invalidations(&self) -> u64 {
        self.deletes + self.sets + self.by_tag + self.clears + self.expired + self.expired_by_tag
    }

    pub(crate) fn numbers(&self) -> [u64; FIELDS] {
        [
            self.rounds,
            self.stale,
            self.wrong,
            self.errors,
            self.readers_gone,
            self.hits,
            self.near,
            self.loaded,
            self.not_stored,
            self.joined,
            self.deletes,
            self.sets,
            self.by_tag,
            self.clears,
            self.expired,
            self.expired_by_tag,
            self.of_many,
            self.fresh,
            self.by_policy,
            self.failed,
            self.writers_gone,
        ]
    }

    pub(crate) fn of(numbers: &[u64]) -> Option<Self> {
        <[u64; FIELDS]>::try_from(numbers).ok().map(Self::from)
    }
}

impl From<[u64; FIELDS]> for Tally {
    fn from(numbers: [u64; FIELDS]) -> Self {
        let [rounds, stale, wrong, errors, readers_gone, hits, near, loaded, not_stored, joined, ..] =
            numbers;
        let [
            ..,
            deletes,
            sets,
            by_tag,
            clears,
            expired,
            expired_by_tag,
            of_many,
            fresh,
            by_policy,
            failed,
            writers_gone,
        ] = numbers;
        Self {
            rounds,
            stale,
            wrong,
            errors,
            readers_gone,
            hits,
            near,
            loaded,
            not_stored,
            joined,
            deletes,
            sets,
            by_tag,
            clears,
            expired,
            expired_by_tag,
            of_many,
            fresh,
            by_policy,
            failed,
            writers_gone,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hits, near, loaded, not_stored, joined, wrong, errors, readers_gone, .. } = self;
        let Self { deletes, sets, by_tag, clears, expired, expired_by_tag, failed, writers_gone, .. } = self;
        let Self { of_many, fresh, by_policy, .. } = self;
        writeln!(
            f,
            "reads: {hits} hits ({near} near), {loaded} loaded, {not_stored} loaded and not stored, {joined} joined; {wrong} wrong, \
             {errors} errors; {readers_gone} went away"
        )?;
        writeln!(
            f,
            "of them: {of_many} of several keys at once, {fresh} fresh, {by_policy} under a policy of their own"
        )?;
        write!(
            f,
            "invalidations: {deletes} deletes, {sets} sets, {by_tag} by tag, {clears} clears, \
             {expired} expired, {expired_by_tag} expired by tag; {failed} failed; \
             {writers_gone} went away"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_a_place_of_its_own() {
        let numbers: [u64; FIELDS] = std::array::from_fn(|place| 1 << place);
        let tally = Tally::from(numbers);
        assert_eq!(tally.numbers(), numbers);
        assert_eq!(Tally::of(&numbers), Some(tally.clone()));
        assert_eq!(Tally::of(&numbers[1..]), None);
        let mut twice = tally.clone();
        twice.add(&tally);
        assert_eq!(twice.numbers(), numbers.map(|number| number * 2));
    }
}
