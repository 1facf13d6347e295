//! `cargo xtask external-types`: the crates whose types, traits and functions stand in the public API of ours. A new major version
//! of one of them is a new major version of ours, so each is named in the manifest, under `[package.metadata.external-types]`.
//!
//! This reads what rustdoc writes as JSON, which the compiler that is used here has and does not offer; its version is in the
//! file, and another one is refused rather than misread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::Outcome;
use crate::metadata::{Metadata, Package};
use crate::shell::{self, cargo};

/// The version of the JSON that this was written for: that of Rust 1.95.
const FORMAT: u64 = 57;
/// What is in every program.
const STANDARD: [&str; 3] = ["std", "core", "alloc"];

/// Of each crate that is not ours, some places where it stands.
type Found = BTreeMap<String, BTreeSet<String>>;

/// Compares what is found with what is allowed, for every published crate with all its features.
pub(crate) fn run(_: &[String]) -> Outcome {
    let metadata = Metadata::of_workspace()?;
    let target = metadata.target_directory().join("external-types");
    let ours: BTreeSet<String> =
        metadata.published().map(|package| package.name().replace('-', "_")).collect();
    let mut problems = Vec::new();
    for package in metadata.published() {
        let mut found = found(&document(package, &target)?)?;
        found.retain(|name, _| !STANDARD.contains(&&**name) && !ours.contains(name));
        let allowed: BTreeSet<&str> = package.external_types().collect();
        println!("{}: {}", package.name(), found.keys().cloned().collect::<Vec<_>>().join(", "));
        for (name, places) in &found {
            if !allowed.contains(&**name) {
                let places: Vec<&str> = places.iter().take(3).map(String::as_str).collect();
                problems.push(format!("{}: {name} is not allowed: {}", package.name(), places.join(", ")));
            }
        }
        for name in allowed.into_iter().filter(|name| !found.contains_key(*name)) {
            problems.push(format!("{}: {name} is allowed and does not occur", package.name()));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn document(package: Package<'_>, target: &std::path::Path) -> Outcome<Value> {
    let mut rustdoc = cargo(["rustdoc", "--quiet", "--lib", "--all-features", "--package", package.name()]);
    rustdoc.args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    shell::run(rustdoc.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", target))?;
    let file = target.join(format!("doc/{}.json", package.name().replace('-', "_")));
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn found(document: &Value) -> Outcome<Found> {
    let format = document["format_version"].as_u64();
    if format != Some(FORMAT) {
        return Err(format!("rustdoc writes format {format:?}, and this reads {FORMAT}").into());
    }
    let mut found = Found::new();
    for item in document["index"].as_object().into_iter().flat_map(serde_json::Map::values) {
        let is_ours = item["crate_id"] == 0;
        let implementation = &item["inner"]["impl"];
        // Those that the compiler adds, and those of other crates for every type.
        let is_implied = implementation["is_synthetic"] == true || !implementation["blanket_impl"].is_null();
        if is_ours && !is_implied {
            let place = item["name"].as_str().unwrap_or("an implementation");
            collect(&item["inner"], document, place, &mut found);
        }
    }
    Ok(found)
}

/// Whatever has an id and a path names something: a type, a trait, or what is exported again.
fn collect(value: &Value, document: &Value, place: &str, found: &mut Found) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, document, place, found)),
        Value::Object(fields) => {
            let names_something = fields.contains_key("path") || fields.contains_key("source");
            if let Some(id) = fields.get("id").filter(|_| names_something).and_then(Value::as_u64) {
                let target = &document["paths"][id.to_string()];
                if let Some(name) = origin(target, document) {
                    let path: Vec<&str> =
                        target["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    found.entry(name).or_default().insert(format!("{} in {place}", path.join("::")));
                }
            }
            fields.values().for_each(|value| collect(value, document, place, found));
        }
        _ => {}
    }
}

/// The crate that something is defined in, unless it is the documented one.
fn origin(target: &Value, document: &Value) -> Option<String> {
    let id = target["crate_id"].as_u64().filter(|id| *id != 0)?;
    document["external_crates"][id.to_string()]["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_define_is_found_where_it_stands() {
        let document = serde_json::json!({
            "format_version": FORMAT,
            "external_crates": { "7": { "name": "bytes" }, "8": { "name": "tokio" } },
            "paths": {
                "1": { "crate_id": 7, "path": ["bytes", "Bytes"] },
                "2": { "crate_id": 8, "path": ["tokio", "spawn"] },
                "3": { "crate_id": 0, "path": ["ours", "Entry"] },
            },
            "index": {
                "10": { "crate_id": 0, "name": "body", "inner": { "function": { "sig": {
                    "inputs": [["entry", { "resolved_path": { "path": "Entry", "id": 3 } }]],
                    "output": { "resolved_path": { "path": "Bytes", "id": 1 } },
                } } } },
                "11": { "crate_id": 0, "name": null, "inner": { "impl": {
                    "is_synthetic": false,
                    "blanket_impl": { "generic": "T" },
                    "trait": { "path": "Spawn", "id": 2 },
                } } },
            },
        });
        let found = found(&document).unwrap();
        let shown: Vec<String> = found.into_values().flatten().collect();
        assert_eq!(shown, ["bytes::Bytes in body"]);
    }
}
