//! What `stampede` was asked for.

use crate::{
    Outcome,
    store::{Store, member::Member},
    words::Words,
};

const USAGE: &str =
    "stampede [--store memory|redis|memcached|ring|chain] [--one well|killed|frozen] [--processes N] [--callers N]
    [--kill-leader]";

const CALLERS: u64 = 10_000;
const PROCESSES: u64 = 8;

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) store: Store,
    /// What happens to one of several servers.
    pub(super) one: Member,
    /// How many processes share the store.
    pub(super) processes: u64,
    /// How many callers there are in all of them together.
    pub(super) callers: u64,
    /// Kill the process that loads, in the middle of its load.
    pub(super) kill_leader: bool,
}

impl Asked {
    pub(super) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let (mut store, mut one, mut processes) = (Store::Memory, None, None);
        let (mut callers, mut kill_leader) = (CALLERS, false);
        while let Some(option) = words.option() {
            match option.as_str() {
                "--store" => store = Store::asked(&mut words, &option)?,
                "--one" => one = Some(Member::asked(&mut words, &option)?),
                "--processes" => processes = Some(words.number(&option, &(1..=64))?),
                "--callers" => callers = words.number(&option, &(1..=1_000_000))?,
                "--kill-leader" => kill_leader = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        let processes = processes.unwrap_or(if store.is_shared() { PROCESSES } else { 1 });
        if processes > 1 && !store.is_shared() {
            return words.refuse("memory is not shared by processes");
        }
        if kill_leader && processes == 1 {
            return words.refuse("who is to go on when the only process is killed?");
        }
        if callers < processes {
            return words.refuse("each process needs a caller");
        }
        let one = one.unwrap_or(Member::usual(store));
        if store != Store::Ring && one != Member::Well {
            return words.refuse("only a ring has servers of which one can go");
        }
        if kill_leader && one != Member::Well {
            return words.refuse("one thing at a time: --one well --kill-leader");
        }
        Ok(Self { store, one, processes, callers, kill_leader })
    }

    /// How many of the callers are in this process.
    pub(super) fn callers_in(&self, process: u64) -> u64 {
        self.callers / self.processes + u64::from(process < self.callers % self.processes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn the_defaults_are_what_the_store_can_do() {
        let asked = |store, processes| {
            let one = Member::usual(store);
            Asked { store, one, processes, callers: CALLERS, kill_leader: false }
        };
        assert_eq!(parse("").unwrap(), asked(Store::Memory, 1));
        assert_eq!(parse("--store redis").unwrap(), asked(Store::Redis, 8));
        assert_eq!(parse("--processes 3 --store memcached").unwrap(), asked(Store::Memcached, 3));
        assert!(parse("--store redis --kill-leader").unwrap().kill_leader);
    }

    #[test]
    fn every_caller_is_in_one_process() {
        let asked = parse("--store redis --processes 8 --callers 1003").unwrap();
        assert_eq!((0..8).map(|process| asked.callers_in(process)).sum::<u64>(), 1003);
        assert_eq!((asked.callers_in(0), asked.callers_in(7)), (126, 125));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--store",
            "--store disk",
            "--processes 0",
            "--processes 2",
            "--callers many",
            "--kill-leader",
            "--store redis --processes 1 --kill-leader",
            "--store redis --callers 7",
            "--store redis --one frozen",
            "--store ring --kill-leader",
            "now",
        ] {
            let refusal = parse(line).unwrap_err().to_string();
            assert!(refusal.contains(USAGE), "{line}: {refusal}");
        }
    }
}
