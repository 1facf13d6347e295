//! Text that is kept elsewhere: `password = { file = "/run/secrets/redis" }`, `url = { env = "REDIS_URL" }`.
//! Wherever a setting is text, either may be given in its place.

use std::path::Path;

use figment::value::{Dict, Value};

use super::{
    file,
    path::KeyPath,
    secrecy::{quoted, quoted_path},
    show,
    tree::Tree,
};

const FILE: &str = "file";
const VARIABLE: &str = "env";
/// The largest file that is taken for a setting, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Whether a table stands for text that is kept elsewhere.
pub(super) fn is_one(dict: &Dict) -> bool {
    !dict.is_empty() && dict.keys().all(|key| [FILE, VARIABLE].contains(&key.as_str()))
}

/// Where the text is kept, as it is written in TOML.
pub(super) fn show(dict: &Dict) -> String {
    let show = |(key, value): (&String, &Value)| match value.as_str() {
        Some(path) if key == FILE => format!("{key} = {}", quoted_path(path)),
        _ => format!("{key} = {}", show::show(value)),
    };
    format!("{{ {} }}", dict.iter().map(show).collect::<Vec<_>>().join(", "))
}

/// The text. The error never holds any of it.
pub(super) fn resolve(dict: &Dict, tree: &Tree) -> Result<String, String> {
    if tree.is_partial {
        return Err("is kept elsewhere, which is not read when a configuration is only checked".to_owned());
    }
    let layer = |key: &str| dict.get(key).map(|value| tree.origin(value.tag(), &KeyPath::default()).layer);
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
            .map_err(|why| format!("the file {}: {why}", quoted_path(name)))?;
        // Editors and `echo` end a file with a line break that is no part of the secret.
        if text.ends_with('\n') {
            text.pop();
        }
        if text.ends_with('\r') {
            text.pop();
        }
        if text.is_empty() {
            return Err(format!("the file {} is empty", quoted_path(name)));
        }
        tree.keep_secret(&text);
        return Ok(text);
    }
    let why = |why| format!("the environment variable {} {why}", quoted(name));
    match tree.environment.get(name) {
        None => Err(why("is not set, or empty")),
        Some(value) => {
            let text = value.to_str().ok_or_else(|| why("is not UTF-8"))?;
            tree.keep_secret(text);
            Ok(text.to_owned())
        }
    }
}
