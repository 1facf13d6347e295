//! How a value is shown: as it would be written in TOML, without what it may hold of secrets.

use figment::value::{Dict, Num, Value};

use super::{
    path::KeyPath,
    secrecy::{HIDDEN, quoted},
    text,
};

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
        Value::Bool(..) => "a boolean",
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

fn show_number(number: Num) -> String {
    match (number.to_u128(), number.to_i128(), number.to_f64()) {
        (Some(number), _, _) => number.to_string(),
        (_, Some(number), _) => number.to_string(),
        (_, _, Some(number)) => number.to_string(),
        _ => "a number".to_owned(),
    }
}
