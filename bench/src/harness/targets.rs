//! What the comparisons have to reach: `targets.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bench::Outcome;

/// What a comparison has to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// At most this, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<f64>,
    /// ... or at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<f64>,
    /// Says nothing where another comparison of the row does not reach its own target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) void_unless: Option<String>,
    /// A condition of others, which is neither `ok` nor `short`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) condition: bool,
}

impl Target {
    /// Whether this figure reaches it.
    pub(crate) fn is_met(&self, figure: f64) -> bool {
        self.at_most.is_none_or(|most| figure <= most) && self.at_least.is_none_or(|least| figure >= least)
    }
}

/// All targets: row, then comparison.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Targets(BTreeMap<String, BTreeMap<String, Target>>);

impl Targets {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn parse(text: &str) -> Outcome<Self> {
        let targets: Self = toml::from_str(text)?;
        for (row, comparisons) in &targets.0 {
            for (name, target) in comparisons {
                if target.at_most.is_some() == target.at_least.is_some() {
                    return Err(format!("{row}, {name}: either `at_most` or `at_least`").into());
                }
                if let Some(other) =
                    target.void_unless.as_ref().filter(|other| !comparisons.contains_key(*other))
                {
                    return Err(
                        format!("{row}, {name}: `void_unless` names {other}, which is not there").into()
                    );
                }
            }
        }
        Ok(targets)
    }

    /// That of a comparison, if it has one.
    pub(crate) fn of(&self, row: &str, comparison: &str) -> Option<Target> {
        self.0.get(row)?.get(comparison).cloned()
    }

    /// The names of a row's comparisons that have one.
    pub(crate) fn names(&self, row: &str) -> impl Iterator<Item = &str> {
        self.0.get(row).into_iter().flat_map(|comparisons| comparisons.keys().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_right() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets.toml");
        let targets = Targets::read(&path).unwrap();
        assert!(targets.of("near", "quick-cache.get.1").unwrap().is_met(1.2));
        assert!(!targets.of("near", "quick-cache.get.1").unwrap().is_met(1.21));
        assert!(targets.of("redis", "bytes.64").unwrap().is_met(1.4));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(Targets::parse("[near]\na = { at_most = 1.0, at_least = 1.0 }").is_err());
        assert!(Targets::parse("[near]\na = {}").is_err());
        assert!(Targets::parse("[near]\na = { at_most = 1.0, void_unless = 'b' }").is_err());
        assert!(Targets::parse("[near]\na = { at_mots = 1.0 }").is_err());
    }
}
