//! The public items of a crate, one a line, by rustdoc's JSON.

use std::path::Path;

use crate::Outcome;
use crate::shell;

/// What this package makes public with all its features, sorted. Implementations that the compiler or a derive writes are
/// left out; what a trait asks of its implementors is there.
pub(super) fn of(package: &str, target: &Path) -> Outcome<String> {
    let mut rustdoc =
        shell::cargo(["rustdoc", "--quiet", "--locked", "--all-features", "--lib", "--package", package]);
    rustdoc.args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    rustdoc.env("RUSTDOC", shell::root().join("xtask/rustdoc-json.sh"));
    shell::run(&mut rustdoc)?;

    let json = target.join("doc").join(package.replace('-', "_")).with_extension("json");
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    let mut lines: Vec<String> = api.items().map(ToString::to_string).collect();
    lines.push(String::new());
    Ok(lines.join("\n"))
}
