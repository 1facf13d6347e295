//! What the comparisons have to reach: `targets.toml`.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Why it falls short where it does: a name in `[because]`. Not kept with results: what is known of a reason changes.
    #[serde(default, skip_serializing)]
    pub(crate) because: Option<String>,
}

impl Target {
    /// Whether this figure reaches it.
    pub(crate) fn is_met(&self, figure: f64) -> bool {
        self.at_most.is_none_or(|most| figure <= most) && self.at_least.is_none_or(|least| figure >= least)
    }
}

/// The file: reasons by name, and targets by row and comparison.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Targets {
    #[serde(default)]
    because: BTreeMap<String, String>,
    #[serde(flatten)]
    rows: BTreeMap<String, BTreeMap<String, Target>>,
}

impl Targets {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let targets: Self = toml::from_str(text)?;
        for (row, comparisons) in &targets.rows {
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
                if let Some(reason) =
                    target.because.as_ref().filter(|reason| !targets.because.contains_key(*reason))
                {
                    return Err(format!("{row}, {name}: `[because]` has no {reason}").into());
                }
            }
        }
        let used: BTreeSet<&String> = targets
            .rows
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(|target| target.because.as_ref())
            .collect();
        match targets.because.keys().find(|name| !used.contains(name)) {
            Some(name) => Err(format!("`[because]`: no target names {name}").into()),
            None => Ok(targets),
        }
    }

    /// That of a comparison, if it has one.
    pub(crate) fn of(&self, row: &str, comparison: &str) -> Option<Target> {
        self.rows.get(row)?.get(comparison).cloned()
    }

    /// Why that of a comparison falls short where it does.
    pub(crate) fn because(&self, row: &str, comparison: &str) -> Option<&str> {
        let name = self.rows.get(row)?.get(comparison)?.because.as_ref()?;
        self.because.get(name).map(|text| text.trim())
    }

    /// The names of a row's comparisons that have one.
    pub(crate) fn names(&self, row: &str) -> impl Iterator<Item = &str> {
        self.rows.get(row).into_iter().flat_map(|comparisons| comparisons.keys().map(String::as_str))
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
        assert!(Targets::parse("[near]\na = { at_most = 1.0, because = 'b' }").is_err());
        assert!(Targets::parse("[because]\nb = 'nobody asks'\n[near]\na = { at_most = 1.0 }").is_err());
    }

    #[test]
    fn a_reason_is_found_by_its_comparison() {
        let text =
            "[because]\nb = 'the text'\n[near]\na = { at_most = 1.0, because = 'b' }\nc = { at_most = 1.0 }";
        let targets = Targets::parse(text).unwrap();
        assert_eq!(targets.because("near", "a"), Some("the text"));
        assert_eq!(targets.because("near", "c"), None);
    }
}
