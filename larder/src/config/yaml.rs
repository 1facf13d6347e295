//! YAML, by its core schema: `true`, `null` and numbers are what they look like, everything else is text
//! (`no` is no boolean). What a parser's events build here is bounded, aliases included, and depends on no
//! tag: nothing in a file can make anything but data.

use std::collections::HashMap;

use figment::value::{Dict, Empty, Num, Tag, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::text;

/// How deep lists and tables may stand in each other, as in JSON and TOML.
const MAX_DEPTH: usize = 80;
/// How many values a file may come to once its aliases are put in. A file that is read has a megabyte at most.
const MAX_VALUES: usize = 100_000;

/// Reads a document. The error has the line and what is wrong, and nothing of the document but a key's name.
pub(super) fn parse(document: &str) -> Result<Value, String> {
    let mut loader = Loader::default();
    let mut parser = Parser::new_from_str(document);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| describe(&error))?;
        loader.take(event).map_err(|why| format!("line {}: {why}", span.start.line()))?;
    }
    // An empty file is an empty table.
    Ok(loader.root.unwrap_or_else(|| Value::Dict(Tag::Default, Dict::new())))
}

fn describe(error: &ScanError) -> String {
    format!("line {}, column {}: {}", error.marker().line(), error.marker().col() + 1, error.info())
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    root: Option<Value>,
    /// What an alias stands for, and how many values that is.
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    documents: usize,
}

/// A list or table that has not ended yet.
struct Open {
    holds: Holds,
    anchor: usize,
    /// How many values there were when it began.
    began: usize,
}

enum Holds {
    List(Vec<Value>),
    Table { done: Dict, key: Option<String> },
}

impl Loader {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err("there is a second document".to_owned()) } else { Ok(()) }
            }
            Event::SequenceStart(anchor, _) => self.begin(Holds::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => {
                self.begin(Holds::Table { done: Dict::new(), key: None }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                // `!!str 007` is text, whatever it looks like.
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let value = if is_plain { plain(&text) } else { Value::from(text.into_owned()) };
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.clone(), 1));
                }
                self.put(value)
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err("an alias stands inside of what it is an alias for".to_owned());
                };
                let (value, size) = (value.clone(), *size);
                self.count(size)?;
                self.put(value)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, holds: Holds, anchor: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} lists and tables stand in each other"));
        }
        let began = self.values;
        self.count(1)?;
        self.open.push(Open { holds, anchor, began });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        // The parser ends nothing that it has not begun.
        let Some(Open { holds, anchor, began }) = self.open.pop() else { return Ok(()) };
        let value = match holds {
            Holds::List(values) => Value::Array(Tag::Default, values),
            Holds::Table { done, .. } => Value::Dict(Tag::Default, done),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - began));
        }
        self.put(value)
    }

    fn put(&mut self, value: Value) -> Result<(), String> {
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.root = Some(value),
            Some(Holds::List(values)) => values.push(value),
            Some(Holds::Table { done, key: key @ None }) => {
                let name = name(value)?;
                if name == "<<" {
                    return Err("merge keys (<<) are not part of YAML 1.2; write the keys out".to_owned());
                }
                if done.contains_key(&name) {
                    return Err(format!("the key {} is given twice", text::quoted(&name)));
                }
                *key = Some(name);
            }
            Some(Holds::Table { done, key }) => {
                if let Some(key) = key.take() {
                    done.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(values);
        if self.values > MAX_VALUES {
            return Err(format!("there are more than {MAX_VALUES} values, aliases included"));
        }
        Ok(())
    }
}

fn name(value: Value) -> Result<String, String> {
    match value {
        Value::String(_, text) => Ok(text),
        Value::Bool(_, is) => Ok(is.to_string()),
        Value::Num(_, number) => {
            let whole = number.to_i128().map(|number| number.to_string());
            let whole = whole.or_else(|| number.to_u128().map(|number| number.to_string()));
            whole.ok_or_else(|| "a key is a fraction; put it into quotes".to_owned())
        }
        _ => Err("a key is no text".to_owned()),
    }
}

/// A scalar without quotes, as the core schema of YAML 1.2 reads it (10.3.2).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Empty(Tag::Default, Empty::Unit),
        "true" | "True" | "TRUE" => return Value::from(true),
        "false" | "False" | "FALSE" => return Value::from(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::from(text))
}

fn number(text: &str) -> Option<Value> {
    let all = |digits: &str, allowed: fn(&char) -> bool| {
        !digits.is_empty() && digits.chars().all(|digit| allowed(&digit))
    };
    if let Some(digits) = text.strip_prefix("0x").filter(|digits| all(digits, char::is_ascii_hexdigit)) {
        return u64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    let is_octal: fn(&char) -> bool = |digit| ('0'..='7').contains(digit);
    if let Some(digits) = text.strip_prefix("0o").filter(|digits| all(digits, is_octal)) {
        return u64::from_str_radix(digits, 8).ok().map(Value::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if all(unsigned, char::is_ascii_digit) {
        let whole = text.parse::<u64>().map(Value::from);
        return whole.or_else(|_| text.parse::<i64>().map(Value::from)).ok();
    }
    // What Rust reads as a float and YAML does not (`inf`, `nan`, `infinity`) begins with a letter.
    let begins_like_one = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let float = text.parse::<f64>().ok().filter(|_| begins_like_one)?;
    Some(Value::Num(Tag::Default, Num::F64(float)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(yaml: &str) -> Result<serde_json::Value, String> {
        parse(yaml).map(|value| serde_json::to_value(value).unwrap())
    }

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        for (yaml, expected) in [
            ("true", "true"),
            ("no", "\"no\""),
            ("60s", "\"60s\""),
            ("~", "null"),
            ("12", "12"),
            ("-3", "-3"),
            ("+3", "3"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("0x+1", "\"0x+1\""),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("inf", "\"inf\""),
            ("-nan", "\"-nan\""),
            ("007", "7"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("\"12\"", "\"12\""),
            ("'true'", "\"true\""),
            ("!!str 12", "\"12\""),
            ("[1, [a], {b: c}]", r#"[1,["a"],{"b":"c"}]"#),
            ("a: &x [1]\nb: *x", r#"{"a":[1],"b":[1]}"#),
            ("1: a\ntrue: b", r#"{"1":"a","true":"b"}"#),
            ("", "{}"),
        ] {
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            assert_eq!(json(yaml).unwrap(), expected, "{yaml}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (yaml, why) in [
            ("a: 1\na: 2", "line 2: the key \"a\" is given twice"),
            ("a: 1\n---\nb: 2", "line 2: there is a second document"),
            ("a: &x\n  b: *x", "line 2: an alias stands inside of what it is an alias for"),
            ("a: {1: 2}\n? [b]\n: c", "line 2: a key is no text"),
            ("b:\n  <<: {a: 1}", "line 2: merge keys (<<) are not part of YAML 1.2; write the keys out"),
        ] {
            assert_eq!(json(yaml).unwrap_err(), why, "{yaml}");
        }
        let why = json("a: [1").unwrap_err();
        assert!(why.starts_with("line 2, column 1: "), "{why}");
    }

    #[test]
    fn bombs_are_refused() {
        let deep = "[".repeat(100_000);
        assert!(json(&deep).is_err());
        let block = (0..200).map(|depth| " ".repeat(depth) + "a:").collect::<Vec<_>>().join("\n");
        assert!(json(&block).unwrap_err().contains("more than 80"));
        let mut laughs = vec!["a0: &a0 [l, l, l, l, l, l, l, l, l]".to_owned()];
        for n in 1..30 {
            let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
            laughs.push(format!("a{n}: &a{n} [{aliases}]"));
        }
        assert!(json(&laughs.join("\n")).unwrap_err().contains("more than 100000 values"));
    }
}
