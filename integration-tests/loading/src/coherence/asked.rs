//! What `coherence` was asked for.

use crate::{
    Outcome,
    races::asked::Asked as Races,
    store::{Store, member::Member},
    words::Words,
};

const USAGE: &str = "coherence [--nodes N] [--rounds N] [--seed N] [--cut-bus] [--without-fence]";

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// How many processes keep copies near.
    pub(super) nodes: u64,
    /// How many reads are looked at, in all processes together.
    pub(super) rounds: u64,
    pub(super) seed: Option<u64>,
    /// Cut the bus at random, and let it heal.
    pub(super) cut_bus: bool,
    /// Keep copies the naive way.
    pub(super) without_fence: bool,
}

impl Asked {
    pub(super) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let mut asked = Self { nodes: 4, rounds: 200_000, seed: None, cut_bus: false, without_fence: false };
        while let Some(option) = words.option() {
            match option.as_str() {
                "--nodes" => asked.nodes = words.number(&option, &(2..=64))?,
                "--rounds" => asked.rounds = words.number(&option, &(1..=1_000_000_000))?,
                "--seed" => asked.seed = Some(words.number(&option, &(0..=u64::MAX))?),
                "--cut-bus" => asked.cut_bus = true,
                "--without-fence" => asked.without_fence = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        Ok(asked)
    }

    /// The races that are run.
    pub(super) fn races(&self) -> Races {
        Races {
            store: if self.without_fence { Store::Naive } else { Store::Bus },
            one: Member::Well,
            processes: self.nodes,
            rounds: self.rounds,
            seed: self.seed,
            by: None,
            faults: false,
            without_fence: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_bounded() {
        let parse = |line: &str| Asked::parse(line.split_whitespace().map(str::to_owned).collect());
        let asked = parse("--nodes 8 --rounds 1_000 --seed 3 --cut-bus").unwrap();
        let expected = Asked { nodes: 8, rounds: 1000, seed: Some(3), cut_bus: true, without_fence: false };
        assert_eq!(asked, expected);
        assert_eq!(parse("--without-fence").unwrap().races().store, Store::Naive);
        for line in ["--nodes 1", "--nodes 65", "--rounds 0", "--cut", "--seed"] {
            assert!(parse(line).unwrap_err().to_string().contains(USAGE), "{line}");
        }
    }
}
