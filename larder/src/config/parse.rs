//! What the text of a file holds, with the place of each value in it. Each format has a file; an error has a place and never
//! a part of the text, which may be a secret.

mod json;
mod toml;
#[cfg(feature = "yaml")]
mod yaml;

use figment::value::Value;

use super::{
    origin::Position,
    places::{Lines, Places},
};

/// How deep lists and tables may stand in each other, in every format.
const MAX_DEPTH: usize = 80;

/// What a text holds.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) places: Places,
}

/// Why a text holds nothing.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) at: Option<Position>,
    pub(super) why: String,
}

impl Syntax {
    fn new(at: Position, why: impl Into<String>) -> Self {
        Self { at: Some(at), why: why.into() }
    }
}

/// Reads a text by the ending of its file's name.
pub(super) fn parse(extension: &str, text: &str) -> Result<Document, Syntax> {
    match extension.to_ascii_lowercase().as_str() {
        "json" => json::parse(text),
        "yaml" | "yml" => parse_yaml(text),
        // Also what has another name, such as a file descriptor's.
        _ => toml::parse(text),
    }
}

#[cfg(feature = "yaml")]
fn parse_yaml(text: &str) -> Result<Document, Syntax> {
    yaml::parse(text)
}

#[cfg(not(feature = "yaml"))]
fn parse_yaml(_: &str) -> Result<Document, Syntax> {
    let why = "is YAML, which this program cannot read: it was built without larder's feature \"yaml\"";
    Err(Syntax { at: None, why: why.to_owned() })
}
