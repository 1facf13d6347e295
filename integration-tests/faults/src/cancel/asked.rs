//! What `cancel` was asked for.

use loading_trials::words::Words;

use crate::{
    Outcome,
    store::{STORES, Store, USUAL},
};

const USAGE: &str = "cancel [--store NAME]… [--gets N] [--seed N] [--broken]";
const GETS: u64 = 1_000_000;

/// The arguments.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) stores: Vec<&'static Store>,
    /// How many reads are made on each store.
    pub(super) gets: u64,
    /// What decides the choices of each task. Drawn if it is not given.
    pub(super) seed: Option<u64>,
    /// Read by a client that mixes replies up: the program must find it.
    pub(super) broken: bool,
}

impl Asked {
    pub(super) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let (mut stores, mut gets, mut seed, mut broken) = (Vec::new(), GETS, None, false);
        while let Some(option) = words.option() {
            match option.as_str() {
                "--store" => {
                    let name = words.value(&option)?;
                    match Store::named(&name) {
                        Some(store) => stores.push(store),
                        None => return words.refuse(format_args!("there is no store \"{name}\"")),
                    }
                }
                "--gets" => gets = words.number(&option, &(1000..=1_000_000_000))?,
                "--seed" => seed = Some(words.number(&option, &(0..=u64::MAX))?),
                "--broken" => broken = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        if broken && !matches!(&stores[..], [store] if store.name == "redis") {
            return words.refuse("the broken client speaks to Redis: --store redis --broken");
        }
        if stores.is_empty() {
            // What is answered from memory cannot go astray.
            let usual = |store: &&Store| USUAL.contains(&store.name) && !store.is_chain;
            stores = STORES.iter().copied().filter(usual).collect();
        }
        Ok(Self { stores, gets, seed, broken })
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
        assert_eq!(parse("").unwrap().stores.len(), 3);
        let asked = parse("--store redis --broken --gets 2000 --seed 4").unwrap();
        assert_eq!((asked.gets, asked.seed, asked.broken), (2000, Some(4), true));
        for line in ["--store disk", "--gets 1", "--broken", "--store ring --broken", "now"] {
            assert!(parse(line).unwrap_err().to_string().contains(USAGE), "{line}");
        }
    }
}
