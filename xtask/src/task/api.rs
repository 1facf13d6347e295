//! `cargo xtask api`: what the published crates make public, against what was committed, and whose types it has.
//!
//! `docs/api/<crate>.txt` has a line for each public item. A line that goes or changes breaks somebody's program, one that
//! comes does not; either is written down only by `--renew`, where a review sees it. A type of another crate in our API binds
//! us to that crate's versions: those crates are listed in `docs/api/external-types.txt`, with a reason.

mod external;
mod listing;

use std::{collections::BTreeSet, fs, path::Path};

use crate::Outcome;
use crate::metadata::{Metadata, Package};
use crate::shell;

/// Where the lists are.
const FOLDER: &str = "docs/api";

/// Compares, or with `--renew` writes.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let renew = arguments.iter().any(|argument| argument == "--renew");
    let metadata = Metadata::of_workspace()?;
    let folder = shell::root().join(FOLDER);
    let allowed = external::Allowed::read(&folder.join("external-types.txt"))?;
    let (mut problems, mut foreign, mut items) = (Vec::new(), BTreeSet::new(), 0);
    let published: Vec<&str> =
        metadata.published().filter(|package| package.has_library()).map(Package::name).collect();
    for package in &published {
        let now = listing::of(package, &metadata.target_directory())?;
        items += now.lines().count();
        foreign.extend(external::of(&now, &published));
        let file = folder.join(package).with_extension("txt");
        if renew {
            fs::write(&file, &now)?;
            continue;
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        problems.extend(difference(package, &committed, &now));
    }
    problems.extend(allowed.against(&foreign));
    if problems.is_empty() {
        println!(
            "{} crates, {items} public items, types of {} other crates: as committed",
            published.len(),
            foreign.len()
        );
        return Ok(());
    }
    Err(format!("{}\n`cargo xtask api --renew` writes {FOLDER}", problems.join("\n")).into())
}

/// What has come and gone between two listings; nothing if nothing has.
fn difference(package: &str, committed: &str, now: &str) -> Option<String> {
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) =
        (committed.lines().collect(), now.lines().collect());
    let lines = |sign: char, from: &BTreeSet<&str>, without: &BTreeSet<&str>| -> Vec<String> {
        from.difference(without).map(|line| format!("  {sign} {line}")).collect()
    };
    let (gone, come) = (lines('-', &before, &after), lines('+', &after, &before));
    if gone.is_empty() && come.is_empty() {
        return None;
    }
    let verdict = if gone.is_empty() { "only additions" } else { "breaking" };
    let counts = format!("{package}: {verdict}, {} gone, {} new", gone.len(), come.len());
    Some([vec![counts], gone, come].concat().join("\n"))
}

/// The file as text, or what to do about it.
fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn what_goes_is_breaking_and_what_comes_is_not() {
        let verdict = |committed, now| difference("larder", committed, now).unwrap_or_default();
        assert_eq!(verdict("pub fn a()\n", "pub fn a()\n"), "");
        let more = verdict("pub fn a()\n", "pub fn a()\npub fn b()\n");
        assert_eq!(more, "larder: only additions, 0 gone, 1 new\n  + pub fn b()");
        let changed = verdict("pub fn a()\n", "pub fn a(u8)\n");
        assert_eq!(changed, "larder: breaking, 1 gone, 1 new\n  - pub fn a()\n  + pub fn a(u8)");
    }
}
