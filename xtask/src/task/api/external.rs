//! Types of other crates in our API.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::read;
use crate::Outcome;

/// Whose types everybody has; a trait's method on a number stands under the number's name.
const STANDARD: &[&str] = &[
    "std", "core", "alloc", "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

/// The crates whose types stand in this listing, but for the standard library and our own.
pub(super) fn of(listing: &str, own: &[&str]) -> BTreeSet<String> {
    let own: Vec<String> = own.iter().map(|package| package.replace('-', "_")).collect();
    let is_own = |name: &str| own.iter().any(|package| package == name);
    roots(listing).filter(|name| !STANDARD.contains(name) && !is_own(name)).map(str::to_owned).collect()
}

/// The first segment of every path: `bytes` of `bytes::bytes::Bytes`.
fn roots(listing: &str) -> impl Iterator<Item = &str> {
    let is_of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let paths = listing.split(move |c| !is_of_a_path(c)).filter(|path| !path.starts_with(':'));
    let roots = paths.filter_map(|path| path.split_once("::")).map(|(root, _)| root);
    // Types and parameters begin with a capital: `Self::Item`, `T::Error`.
    roots.filter(|root| {
        root.starts_with(|c: char| c.is_ascii_lowercase()) && !["crate", "self", "super"].contains(root)
    })
}

/// The crates that may be there, and why.
pub(super) struct Allowed(BTreeMap<String, String>);

impl Allowed {
    /// A line for each: its name as in code, a colon, a reason.
    pub(super) fn read(path: &Path) -> Outcome<Self> {
        let text = read(path)?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let pairs = lines.map(|line| {
            let (name, reason) = line.split_once(':').unwrap_or((line, ""));
            (name.trim().to_owned(), reason.trim().to_owned())
        });
        Ok(Self(pairs.collect()))
    }

    /// What is there and not allowed, what is allowed and not there, and what has no reason.
    pub(super) fn against(&self, found: &BTreeSet<String>) -> Vec<String> {
        let uninvited = found.iter().filter(|name| !self.0.contains_key(*name));
        let mut problems: Vec<String> = uninvited
            .map(|name| format!("a type of the crate `{name}` is in our API and not in external-types.txt"))
            .collect();
        for (name, reason) in &self.0 {
            if !found.contains(name) {
                problems.push(format!("external-types.txt has `{name}`, of which no type is in our API"));
            } else if reason.is_empty() {
                problems.push(format!("external-types.txt has no reason for `{name}`"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_peoples_crates_are_found() {
        let listing = "pub fn larder_core::Key::text(&self) -> &str\n\
            pub fn larder_core::Entry::body(&self) -> core::option::Option<bytes::bytes::Bytes>\n\
            impl<T: serde_core::ser::Serialize> larder_core::value::Value for T where T::Error: std::error::Error\n";
        let found: Vec<String> = of(listing, &["larder-core"]).into_iter().collect();
        assert_eq!(found, ["bytes", "serde_core"]);
    }

    #[test]
    fn strangers_and_leftovers_are_named() {
        let allowed =
            Allowed([("bytes".to_owned(), "bodies".to_owned()), ("url".to_owned(), String::new())].into());
        let problems = allowed.against(&["bytes".to_owned(), "tokio".to_owned()].into());
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("tokio") && problems[1].contains("url"), "{problems:?}");
    }
}
