//! Text that is kept elsewhere: `password = { file = "/run/secrets/redis" }`, `url = { env = "REDIS_URL" }`.
//! Wherever a setting is text, either may be given in its place.

use std::path::Path;

use figment::value::{Dict, Value};

use super::{file, layers::Tree, text};

const FILE: &str = "file";
const VARIABLE: &str = "env";
/// The largest file that is taken for a setting, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Whether a table stands for text that is kept elsewhere.
pub(super) fn is_one(dict: &Dict) -> bool {
    !dict.is_empty() && dict.keys().all(|key| [FILE, VARIABLE].contains(&key.as_str()))
}

/// The text. The error never holds any of it.
pub(super) fn resolve(dict: &Dict, tree: &Tree) -> Result<String, String> {
    let layer = |key: &str| dict.get(key).map(|value| tree.origin(value.tag()).layer);
    // A later layer's reference replaces an earlier one's, although merging tables keeps both.
    let from_file = match (layer(FILE), layer(VARIABLE)) {
        (Some(file), Some(variable)) if file == variable => {
            return Err(format!("has both {FILE} and {VARIABLE}; keep one of them"));
        }
        (file, variable) => file > variable,
    };
    let name = dict.get(if from_file { FILE } else { VARIABLE }).and_then(Value::as_str);
    let Some(name) = name else {
        return Err("expected { file = \"PATH\" } or { env = \"VARIABLE\" }".to_owned());
    };
    if from_file {
        let mut text = file::read_text(Path::new(name), MAX_FILE)
            .map_err(|why| format!("the file {}: {why}", text::quoted(name)))?;
        // Editors and `echo` end a file with a line break that is no part of the secret.
        if text.ends_with('\n') {
            text.pop();
        }
        if text.ends_with('\r') {
            text.pop();
        }
        return Ok(text);
    }
    let why = |why| format!("the environment variable {} {why}", text::quoted(name));
    match tree.environment.get(name) {
        None => Err(why("is not set")),
        Some(value) => value.to_str().map(str::to_owned).ok_or_else(|| why("is not UTF-8")),
    }
}
