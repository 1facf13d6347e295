//! What must not be shown. A URL is shown without user, password and query wherever it stands; a value whose
//! setting is called like a secret is not shown at all. What the type
//! [`Secret`](larder_core::settings::Secret) hides was hidden before it comes here.

use figment::value::{Dict, Num, Value};
use larder_core::settings::redact_url;

use super::{
    path::{KeyPath, Segment},
    text,
};

/// What stands for a value that must not be shown; a `Secret` serializes to it.
pub(super) const HIDDEN: &str = "***";
/// Parts of names whose values are hidden, whatever their type is.
const TELLING: [&str; 7] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "private_key"];

/// Whether the name of the setting at this path says that its value must not be shown.
pub(super) fn is_telling(path: &KeyPath) -> bool {
    let tells = |segment: &Segment| {
        let name = segment.as_key().map(text::fold).unwrap_or_default();
        // Where something is kept is no secret, and worth knowing.
        !name.ends_with("_file") && TELLING.iter().any(|part| name.contains(part))
    };
    // The first two are a section and a name that somebody gave.
    path.segments().iter().skip(2).any(tells)
}

/// A value as it stands in a message about it: what it is, unless it is too much to show.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Dict(..) | Value::Array(..) | Value::Empty(..) => kind(value).to_owned(),
        _ => show(value),
    }
}

/// What kind of value it is.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

/// A value, as it would be written in TOML.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) if text == HIDDEN => HIDDEN.to_owned(),
        Value::String(_, text) => quoted(text),
        Value::Char(_, character) => format!("{character:?}"),
        Value::Bool(_, is) => is.to_string(),
        Value::Num(_, number) => show_number(*number),
        Value::Empty(..) => kind(value).to_owned(),
        Value::Dict(_, dict) => show_table(dict),
        Value::Array(_, values) => {
            let shown: Vec<String> = values.iter().map(show).collect();
            format!("[{}]", text::list(shown.iter().map(String::as_str)))
        }
    }
}

fn show_table(dict: &Dict) -> String {
    let shown: Vec<String> =
        dict.iter().map(|(key, value)| format!("{} = {}", KeyPath::new([key]), show(value))).collect();
    format!("{{ {} }}", shown.join(", "))
}

/// A name that somebody wrote, in quotes.
pub(super) fn quoted(name: &str) -> String {
    text::quoted(&without_credentials(name))
}

/// A URL without what it may hold of secrets; any other text as it is.
pub(super) fn without_credentials(text: &str) -> String {
    if text.contains("://") || text.contains('@') { redact_url(text) } else { text.to_owned() }
}

fn show_number(number: Num) -> String {
    match (number.to_u128(), number.to_i128(), number.to_f64()) {
        (Some(number), _, _) => number.to_string(),
        (_, Some(number), _) => number.to_string(),
        (_, _, Some(number)) => number.to_string(),
        _ => "a number".to_owned(),
    }
}
