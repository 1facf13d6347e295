//! What `races` was asked for.

use super::writer::Way;
use crate::{
    Outcome,
    store::{Store, member::Member},
    words::Words,
};

const USAGE: &str = "races [--store memory|redis|memcached|ring|chain] [--one well|killed|frozen] [--processes N] [--rounds N] [--seed N]
    [--by delete|set|tag|clear|expire|expire-tag] [--faults | --without-fence]";

const PROCESSES: u64 = 4;
const ROUNDS_IN_MEMORY: u64 = 1_000_000;
const ROUNDS_ON_A_SERVER: u64 = 50_000;

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) store: Store,
    /// What happens to one of several servers.
    pub(crate) one: Member,
    /// How many processes share the store.
    pub(crate) processes: u64,
    /// How many reads are looked at, in all processes together.
    pub(crate) rounds: u64,
    /// What decides the choices of each task. Drawn if it is not given.
    pub(crate) seed: Option<u64>,
    /// The one way to invalidate; all of them if it is not given.
    pub(crate) by: Option<Way>,
    /// Let one in 32 operations of the store fail.
    pub(crate) faults: bool,
    /// Do the naive thing: get, load, set.
    pub(crate) without_fence: bool,
}

impl Asked {
    pub(crate) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let (mut store, mut one, mut processes, mut rounds) = (Store::Memory, None, None, None);
        let (mut seed, mut by, mut faults, mut without_fence) = (None, None, false, false);
        while let Some(option) = words.option() {
            match option.as_str() {
                "--store" => store = Store::asked(&mut words, &option)?,
                "--one" => one = Some(Member::asked(&mut words, &option)?),
                "--processes" => processes = Some(words.number(&option, &(1..=64))?),
                "--rounds" => rounds = Some(words.number(&option, &(1..=1_000_000_000))?),
                "--seed" => seed = Some(words.number(&option, &(0..=u64::MAX))?),
                "--by" => by = Some(Way::asked(&mut words, &option)?),
                "--faults" => faults = true,
                "--without-fence" => without_fence = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        let usual_rounds = if store.is_shared() { ROUNDS_ON_A_SERVER } else { ROUNDS_IN_MEMORY };
        let processes = processes.unwrap_or(if store.is_shared() { PROCESSES } else { 1 });
        if processes > 1 && !store.is_shared() {
            return words.refuse("memory is not shared by processes");
        }
        if faults && without_fence {
            return words.refuse("without the fence, a store that fails proves nothing");
        }
        let one = one.unwrap_or(Member::usual(store));
        if store != Store::Ring && one != Member::Well {
            return words.refuse("only a ring has servers of which one can go");
        }
        let rounds = rounds.unwrap_or(usual_rounds);
        Ok(Self { store, one, processes, rounds, seed, by, faults, without_fence })
    }
}

/// The part of a number that falls to one of so many, so that all parts make up the whole.
pub(crate) fn share(whole: u64, index: u64, of: u64) -> u64 {
    whole / of + u64::from(index < whole % of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn the_defaults_are_what_the_store_can_do() {
        let asked = |store, processes, rounds| Asked {
            store,
            one: Member::usual(store),
            processes,
            rounds,
            seed: None,
            by: None,
            faults: false,
            without_fence: false,
        };
        assert_eq!(parse("").unwrap(), asked(Store::Memory, 1, 1_000_000));
        assert_eq!(parse("--store redis").unwrap(), asked(Store::Redis, 4, 50_000));
        assert_eq!(parse("--store chain").unwrap(), asked(Store::Chain, 4, 50_000));
        assert_eq!(parse("--store ring --one killed").unwrap(), asked(Store::Ring, 4, 50_000));
        let line = "--store memcached --processes 2 --rounds 7 --seed 9 --by tag --without-fence";
        let asked =
            Asked { seed: Some(9), by: Some(Way::Tag), without_fence: true, ..asked(Store::Memcached, 2, 7) };
        assert_eq!(parse(line).unwrap(), asked);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--seed",
            "--seed x",
            "--by force",
            "--faults --without-fence",
            "--rounds 0",
            "--processes 4",
            "--store redis --one killed",
            "--store ring --one lost",
            "--store redis --processes 65",
            "1",
        ] {
            let refusal = parse(line).unwrap_err().to_string();
            assert!(refusal.contains(USAGE), "{line}: {refusal}");
        }
    }

    #[test]
    fn shares_make_up_the_whole() {
        for (whole, of) in [(0, 3), (2, 3), (50_000, 64), (1003, 8)] {
            assert_eq!((0..of).map(|index| share(whole, index, of)).sum::<u64>(), whole);
        }
    }
}
