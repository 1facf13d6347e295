//! What the simulation was asked for.

use loading_trials::{Outcome, words::Words};

const USAGE: &str = "simulation [--nodes N] [--seed N] [--write] | --measure";

/// The sizes that are looked at unless one is given.
const NODES: [usize; 5] = [1, 10, 100, 300, 1000];

/// The arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) nodes: Vec<usize>,
    pub(crate) seed: u64,
    /// Writes the page.
    pub(crate) write: bool,
    /// Measures what a real server spends instead.
    pub(crate) measure: bool,
}

impl Asked {
    pub(crate) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let mut asked = Self { nodes: NODES.to_vec(), seed: 1, write: false, measure: false };
        while let Some(option) = words.option() {
            match option.as_str() {
                "--nodes" => asked.nodes = vec![usize::try_from(words.number(&option, &(1..=1000))?)?],
                "--seed" => asked.seed = words.number(&option, &(0..=u64::from(u32::MAX)))?,
                "--write" => asked.write = true,
                "--measure" => asked.measure = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        if asked.write && asked.nodes != NODES {
            return words.refuse("the page has all sizes: --write without --nodes");
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let asked = parse("--nodes 30 --seed 7").unwrap();
        assert_eq!((asked.nodes, asked.seed, asked.write), (vec![30], 7, false));
        assert_eq!(parse("--write").unwrap().nodes, NODES);
        for line in ["--nodes 0", "--nodes 1001", "--write --nodes 10", "--no-such", "--seed"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
