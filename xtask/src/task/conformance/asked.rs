//! What `cargo xtask conformance` was asked for.

use std::str::FromStr;

use crate::Outcome;

const USAGE: &str = "cargo xtask conformance [--store NAME]... [--check] [FILTER], \
                     with --flaky RUNS [--busy THREADS] again and again, or --mutants";

/// The arguments.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    /// The stores to run over; all if there are none.
    pub(super) stores: Vec<String>,
    /// What the names of the cases must have in them.
    pub(super) filter: Option<String>,
    /// Fail if the page is not current, instead of writing it.
    pub(super) check: bool,
    /// Run it this often, and count what failed, instead of writing the page.
    pub(super) flaky: Option<u32>,
    /// How many threads keep the machine busy meanwhile.
    pub(super) busy: usize,
    /// Hunt the mutants instead.
    pub(super) mutants: bool,
}

impl Asked {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut asked = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--store" => asked.stores.push(match arguments.next().ok_or(USAGE)?.as_str() {
                    // What a configuration means by it.
                    "memory" => "quick-cache".to_owned(),
                    name => name.to_owned(),
                }),
                "--check" => asked.check = true,
                "--flaky" => asked.flaky = Some(number(arguments.next())?),
                "--busy" => asked.busy = number(arguments.next())?,
                "--mutants" => asked.mutants = true,
                option if option.starts_with('-') => return Err(format!("no {option}: {USAGE}").into()),
                _ if asked.filter.is_some() => return Err(format!("one filter at most: {USAGE}").into()),
                filter => asked.filter = Some(filter.to_owned()),
            }
        }
        if asked.mutants && asked != (Self { mutants: true, ..Self::default() }) {
            return Err(format!("--mutants stands alone: {USAGE}").into());
        }
        if asked.busy > 0 && asked.flaky.is_none() {
            return Err(format!("--busy is about --flaky: {USAGE}").into());
        }
        if asked.check && asked.flaky.is_some() {
            return Err("--check is about the page, which --flaky leaves alone".into());
        }
        if asked.check && !asked.is_everything() {
            return Err("--check is about the run over everything: leave stores and filter out".into());
        }
        Ok(asked)
    }

    /// Whether nothing is left out, so that the page can be told from it.
    pub(super) fn is_everything(&self) -> bool {
        self.stores.is_empty() && self.filter.is_none()
    }
}

fn number<N: FromStr + PartialOrd + From<u8>>(text: Option<&String>) -> Outcome<N> {
    let text = text.ok_or(USAGE)?;
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| format!("\"{text}\" is no number from 1 on: {USAGE}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn stores_and_a_filter() {
        let asked = parse("--store redis --store moka ttl::").unwrap();
        assert_eq!(asked.stores, ["redis", "moka"]);
        assert_eq!(asked.filter.as_deref(), Some("ttl::"));
        assert!(!asked.is_everything());
        assert_eq!(parse("--store memory").unwrap().stores, ["quick-cache"]);
        assert!(parse("").unwrap().is_everything());
        assert!(parse("--check").unwrap().check);
    }

    #[test]
    fn again_and_again() {
        let asked = parse("--flaky 20 --busy 2 ttl::").unwrap();
        assert_eq!((asked.flaky, asked.busy, asked.filter.as_deref()), (Some(20), 2, Some("ttl::")));
        assert_eq!(parse("--flaky 1").unwrap().busy, 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "--store",
            "--stroe redis",
            "one two",
            "--mutants one",
            "--check one",
            "--check --store a",
            "--flaky",
            "--flaky 0",
            "--flaky ttl::",
            "--busy 2",
            "--flaky 2 --busy -1",
            "--flaky 2 --check",
            "--flaky 2 --mutants",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
