//! `cargo xtask msrv`: the Rust version that a published crate states is one that its dependencies also build with.
//!
//! This reads what the dependencies declare, since not every machine has a second toolchain to try it with. The crates'
//! own code is Clippy's business (`incompatible_msrv`).

use std::collections::{BTreeMap, BTreeSet};

use crate::Outcome;
use crate::metadata::{Metadata, Package};

/// Compares the Rust version of each published crate with those of all that it depends on.
pub(crate) fn run(_: &[String]) -> Outcome {
    let metadata = Metadata::of_everything()?;
    let packages: BTreeMap<&str, Package<'_>> =
        metadata.packages().map(|package| (package.id(), package)).collect();
    let mut problems = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for package in metadata.published() {
        let Some(stated) = package.rust_version() else {
            problems.insert(format!("{} states no rust-version", package.name()));
            continue;
        };
        for dependency in reachable(&metadata, package.id()) {
            seen.insert(dependency);
            let Some(dependency) = packages.get(dependency) else { continue };
            if let Some(wanted) = dependency.rust_version().filter(|wanted| number(wanted) > number(stated)) {
                problems.insert(format!(
                    "{} {} wants Rust {wanted}, and {} states {stated}",
                    dependency.name(),
                    dependency.version(),
                    package.name()
                ));
            }
        }
    }
    if !problems.is_empty() {
        let problems: Vec<_> = problems.into_iter().collect();
        return Err(problems.join("\n").into());
    }
    let undeclared =
        seen.iter().filter(|id| packages.get(*id).is_some_and(|package| package.rust_version().is_none()));
    println!(
        "{} packages that published crates build on: none declares a newer Rust; {} declare nothing",
        seen.len(),
        undeclared.count()
    );
    Ok(())
}

/// The ids of all packages that the one with this id needs, directly or not.
fn reachable<'a>(metadata: &'a Metadata, id: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        open.extend(metadata.dependencies(id).filter(|dependency| found.insert(*dependency)));
    }
    found
}

/// A Rust version in an order that is not that of its text: 1.100 comes after 1.88, and 1.88 is 1.88.0.
fn number(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert!(number("1.100") > number("1.88"));
        assert!(number("1.88.1") > number("1.88"));
        assert_eq!(number("1.88.0"), number("1.88"));
    }
}
