//! What `cargo metadata` says about the workspace, as far as tasks need it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Outcome;
use crate::shell;

/// The answer of `cargo metadata`.
pub(crate) struct Metadata(Value);

impl Metadata {
    /// The workspace's own packages only.
    pub(crate) fn of_workspace() -> Outcome<Self> {
        Self::read(&["--no-deps"])
    }

    /// All packages, and who depends on whom, with every feature on.
    pub(crate) fn of_everything() -> Outcome<Self> {
        Self::read(&["--all-features"])
    }

    fn read(arguments: &[&str]) -> Outcome<Self> {
        let fixed = ["metadata", "--format-version=1", "--locked"];
        let json = shell::output(&mut shell::cargo(fixed.iter().chain(arguments)))?;
        Ok(Self(serde_json::from_slice(&json)?))
    }

    /// Where cargo builds.
    pub(crate) fn target_directory(&self) -> PathBuf {
        text(&self.0["target_directory"]).into()
    }

    /// All packages that cargo told of.
    pub(crate) fn packages(&self) -> impl Iterator<Item = Package<'_>> {
        items(&self.0["packages"]).map(Package)
    }

    /// The workspace's packages that are published. Other people's are never `publish = false`, but they have a source.
    pub(crate) fn published(&self) -> impl Iterator<Item = Package<'_>> {
        self.packages().filter(|package| package.0["source"].is_null() && package.is_published())
    }

    /// The ids of the packages that users of the package with this id build: its dependencies and build dependencies.
    pub(crate) fn dependencies<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let node = items(&self.0["resolve"]["nodes"]).find(move |node| node["id"] == *id);
        let edges = node.into_iter().flat_map(|node| items(&node["deps"]));
        let needed = edges.filter(|edge| items(&edge["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
        needed.map(|edge| text(&edge["pkg"]))
    }
}

/// One package.
#[derive(Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

impl<'a> Package<'a> {
    pub(crate) fn id(self) -> &'a str {
        text(&self.0["id"])
    }

    pub(crate) fn name(self) -> &'a str {
        text(&self.0["name"])
    }

    pub(crate) fn version(self) -> &'a str {
        text(&self.0["version"])
    }

    /// Where its manifest is.
    pub(crate) fn folder(self) -> Option<&'a Path> {
        Path::new(text(&self.0["manifest_path"])).parent()
    }

    /// The oldest Rust that the package says it builds with, if it says so.
    pub(crate) fn rust_version(self) -> Option<&'a str> {
        self.0["rust_version"].as_str()
    }

    /// The names of its features, but for `default`.
    pub(crate) fn features(self) -> impl Iterator<Item = &'a str> {
        let names = self.0["features"].as_object().into_iter().flat_map(serde_json::Map::keys);
        names.map(String::as_str).filter(|name| *name != "default")
    }

    /// Whether others can build on it; else it is programs alone.
    pub(crate) fn has_library(self) -> bool {
        items(&self.0["targets"]).any(|target| items(&target["kind"]).any(|kind| kind == "lib"))
    }

    /// Whether it may go to a registry; `publish = false` is told as an empty list of registries.
    fn is_published(self) -> bool {
        self.0["publish"].as_array().is_none_or(|registries| !registries.is_empty())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
