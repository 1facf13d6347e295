//! Configuration files: which ones are read, within which bounds, and what they hold. A message about a file
//! never shows a line of it, since the line may hold a secret.

use std::{
    fs::File,
    io::{ErrorKind as Io, Read as _},
    path::{Path, PathBuf},
};

use figment::{
    providers::{self, Format as _},
    value::{Dict, Value},
};

use super::{
    error::Mistake,
    node::Node,
    origin::{Layer, Origin},
    text,
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The ends of the names that a file may have.
const EXTENSIONS: [&str; 4] = ["toml", "yaml", "yml", "json"];

/// The file that was named, or the one file `larder.toml`, `.yaml`, `.yml` or `.json` in the directory.
pub(super) fn find(named: Option<&Path>, directory: &Path) -> Result<Option<PathBuf>, Mistake> {
    match named {
        Some(named) => Ok(Some(named.to_owned())),
        None => only_one(&directory.join("larder")),
    }
}

/// The profile's file beside the configuration file: `larder.production.toml` beside `larder.toml`.
pub(super) fn find_profile(
    file: Option<&Path>,
    directory: &Path,
    profile: &str,
) -> Result<Option<PathBuf>, Mistake> {
    let stem = file.map_or_else(|| directory.join("larder"), |file| file.with_extension(""));
    only_one(&with_extension(&stem, profile))
}

fn only_one(stem: &Path) -> Result<Option<PathBuf>, Mistake> {
    let candidates = EXTENSIONS.iter().map(|extension| with_extension(stem, extension));
    let mut found: Vec<PathBuf> = candidates.filter(|path| path.exists()).collect();
    match (found.pop(), found.pop()) {
        (Some(one), Some(other)) => {
            let message = format!("there is {} as well; keep one of them", text::quoted(&show(&one)));
            Err(Mistake::in_place(Origin::new(Layer::File, show(&other)), message))
        }
        (found, _) => Ok(found),
    }
}

fn with_extension(stem: &Path, extension: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// A path as it is shown: without a leading `./`.
pub(super) fn show(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// Reads a file into a table.
pub(super) fn read(path: &Path, origin: &Origin) -> Result<Dict, Mistake> {
    let refuse = |why: String| Mistake::in_place(origin.clone(), why);
    let text = read_text(path, MAX_FILE).map_err(refuse)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let value = match extension.to_ascii_lowercase().as_str() {
        "json" => parse_json(&text),
        "yaml" | "yml" => parse_yaml(&text),
        // Also what has another name, such as a file descriptor's.
        _ => parse_toml(&text),
    };
    match value.map_err(refuse)? {
        Value::Dict(_, dict) => Ok(dict),
        _ => Err(refuse("is not a table with the sections of a configuration".to_owned())),
    }
}

/// Reads text from a file that may hold anything.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let describe = |error: std::io::Error| match error.kind() {
        Io::NotFound => "there is no such file".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    // One more than allowed tells a file that is too large from one that just fits.
    File::open(path).map_err(describe)?.take(limit + 1).read_to_end(&mut bytes).map_err(describe)?;
    if bytes.len() as u64 > limit {
        return Err(format!("has more than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

fn parse_toml(text: &str) -> Result<Value, String> {
    providers::Toml::from_str::<Node>(text).map(|node| node.0).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        let line = before.matches('\n').count() + 1;
        format!("line {line}, column {column}: {}", error.message().replace('\n', ", "))
    })
}

fn parse_json(text: &str) -> Result<Value, String> {
    providers::Json::from_str::<Node>(text).map(|node| node.0).map_err(|error| error.to_string())
}

#[cfg(feature = "yaml")]
fn parse_yaml(text: &str) -> Result<Value, String> {
    super::yaml::parse(text)
}

#[cfg(not(feature = "yaml"))]
fn parse_yaml(_: &str) -> Result<Value, String> {
    Err("is YAML, which this program cannot read: it was built without larder's feature \"yaml\"".to_owned())
}
