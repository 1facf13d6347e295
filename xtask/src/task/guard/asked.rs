//! The arguments of `cargo xtask guard`.

use crate::Outcome;
use crate::task::guard::program::Scenario;

/// What is to be done.
pub(super) struct Asked {
    /// Whether the committed figures are replaced rather than compared.
    pub(super) renew: bool,
    /// How often each scenario is counted.
    pub(super) runs: usize,
    /// The scenarios; none means all.
    pub(super) names: Vec<String>,
}

impl Asked {
    pub(super) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut asked = Self { renew: false, runs: 1, names: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--renew" => asked.renew = true,
                "--runs" => asked.runs = number(arguments.next())?,
                unknown if unknown.starts_with('-') => {
                    return Err(format!(
                        "there is no option `{unknown}`: [SCENARIO…] [--renew] [--runs N] are what it takes"
                    )
                    .into());
                }
                name => asked.names.push(name.to_owned()),
            }
        }
        Ok(asked)
    }

    /// Those of the scenarios that were named.
    pub(super) fn choose(&self, all: Vec<Scenario>) -> Outcome<Vec<Scenario>> {
        if let Some(unknown) = self.names.iter().find(|name| all.iter().all(|known| known.name != **name)) {
            let known: Vec<_> = all.iter().map(|scenario| scenario.name.as_str()).collect();
            return Err(format!("there is no scenario `{unknown}`, but {}", known.join(", ")).into());
        }
        let is_chosen = |scenario: &Scenario| self.names.is_empty() || self.names.contains(&scenario.name);
        Ok(all.into_iter().filter(is_chosen).collect())
    }
}

fn number(argument: Option<&String>) -> Outcome<usize> {
    let number = argument.and_then(|argument| argument.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "--runs needs a number, 1 or more".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Asked> {
        Asked::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_names_may_be_mixed() {
        let asked = parse("near-get --runs 10 miss --renew").unwrap();
        assert!(asked.renew);
        assert_eq!((asked.runs, asked.names), (10, vec!["near-get".to_owned(), "miss".to_owned()]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in ["--runs", "--runs 0", "--runs x", "--renewed"] {
            assert!(parse(line).is_err(), "{line}");
        }
        let all = || vec![Scenario { name: "miss".to_owned(), about: String::new(), needs_redis: false }];
        assert!(parse("miss").unwrap().choose(all()).is_ok());
        let refusal = parse("mist").unwrap().choose(all()).err().unwrap().to_string();
        assert_eq!(refusal, "there is no scenario `mist`, but miss");
    }
}
