//! What `faults` was asked for.

use std::time::Duration;

use loading_trials::words::Words;

use crate::{
    Outcome,
    fault::{self, Fault, QUICK},
    store::{STORES, Store, USUAL},
    trial::Load,
};

const USAGE: &str = "faults [--store NAME]… [--fault NAME]… [--quick] [--calls N] [--list]";

/// In three seconds: what is counted each second has time to add up.
const FULL: Load = Load { calls: 1000, pause: Duration::from_millis(3), keys: 120 };
/// In half of that: who loses and finds a server writes two lines.
const SHORT: Load = Load { calls: 250, pause: Duration::from_millis(6), keys: 48 };

/// The arguments.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) stores: Vec<&'static Store>,
    pub(crate) faults: Vec<&'static Fault>,
    pub(crate) load: Load,
    /// Everything is tried in full, which is what the page is written from.
    pub(crate) is_everything: bool,
    /// Only say what there is.
    pub(crate) list: bool,
}

impl Asked {
    pub(crate) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let (mut stores, mut faults) = (Vec::new(), Vec::new());
        let (mut quick, mut list, mut calls) = (false, false, None);
        while let Some(option) = words.option() {
            match option.as_str() {
                "--store" => stores.push(named(&mut words, &option, Store::named)?),
                "--fault" => faults.push(named(&mut words, &option, Fault::named)?),
                "--calls" => calls = Some(words.number(&option, &(100..=100_000))?),
                "--quick" => quick = true,
                "--list" => list = true,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        let is_everything = stores.is_empty() && faults.is_empty() && !quick && calls.is_none();
        if stores.is_empty() {
            stores = STORES.iter().copied().filter(|store| USUAL.contains(&store.name)).collect();
        }
        if faults.is_empty() {
            faults = fault::all().filter(|fault| !quick || QUICK.contains(&fault.name)).collect();
        }
        let load = if quick { SHORT } else { FULL };
        let load = Load { calls: calls.unwrap_or(load.calls), ..load };
        Ok(Self { stores, faults, load, is_everything, list })
    }
}

fn named<T>(words: &mut Words, option: &str, find: fn(&str) -> Option<T>) -> Outcome<T> {
    let name = words.value(option)?;
    match find(&name) {
        Some(found) => Ok(found),
        None => words.refuse(format_args!("{option}: there is no \"{name}\" (see --list)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn everything_is_everything_and_less_is_not() {
        let asked = parse("").unwrap();
        assert!(asked.is_everything && asked.stores.len() == 4 && asked.faults.len() > 30);
        for (line, stores, faults) in [
            ("--quick", 4, QUICK.len()),
            ("--store ring --fault killed --fault cut", 1, 2),
            ("--store redis --store valkey --quick", 2, QUICK.len()),
        ] {
            let asked = parse(line).unwrap();
            assert!(!asked.is_everything);
            assert_eq!((asked.stores.len(), asked.faults.len()), (stores, faults), "{line}");
        }
        for line in ["--store disk", "--fault", "--calls 7", "now"] {
            assert!(parse(line).unwrap_err().to_string().contains(USAGE), "{line}");
        }
    }
}
