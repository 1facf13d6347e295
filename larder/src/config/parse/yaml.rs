//! YAML, by its core schema: `true`, `null` and numbers are what they look like, everything else is text
//! (`no` is no boolean). What a parser's events build here is bounded, aliases included, and depends on no
//! tag: nothing in a file can make anything but data.

use std::collections::HashMap;

use figment::value::{Dict, Empty, Num, Tag, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Document, MAX_DEPTH, Places, Syntax};
use crate::config::{origin::Position, path::Segment, secrecy};

/// How many values a file may come to once its aliases are put in. A file that is read has a megabyte at most.
const MAX_VALUES: usize = 100_000;

/// Reads a document. The error has nothing of the document but a key's name.
pub(super) fn parse(document: &str) -> Result<Document, Syntax> {
    let mut loader = Loader::default();
    let mut parser = Parser::new_from_str(document);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Syntax::new(position(error.marker()), error.info()))?;
        let at = position(&span.start);
        loader.take(event, at).map_err(|why| Syntax::new(at, why))?;
    }
    // An empty file is an empty table.
    let (value, places) =
        loader.root.unwrap_or_else(|| (Value::Dict(Tag::Default, Dict::new()), Places::default()));
    Ok(Document { value, places })
}

fn position(marker: &Marker) -> Position {
    Position::new(marker.line(), marker.col() + 1)
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    root: Option<(Value, Places)>,
    /// What an alias stands for, and how many values that is.
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
    documents: usize,
}

/// A list or table that has not ended yet.
struct Open {
    holds: Holds,
    places: Places,
    anchor: usize,
    /// How many values there were when it began.
    began: usize,
}

enum Holds {
    List(Vec<Value>),
    Table { done: Dict, key: Option<(String, Position)> },
}

impl Loader {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err("there is a second document".to_owned()) } else { Ok(()) }
            }
            Event::SequenceStart(anchor, _) => self.begin(Holds::List(Vec::new()), anchor, at),
            Event::MappingStart(anchor, _) => {
                self.begin(Holds::Table { done: Dict::new(), key: None }, anchor, at)
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
                self.put(value, Places::new(at))
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err("an alias is inside the value that it stands for".to_owned());
                };
                let (value, size) = (value.clone(), *size);
                self.count(size)?;
                self.put(value, Places::new(at))
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, holds: Holds, anchor: usize, at: Position) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("lists and tables are nested more than {MAX_DEPTH} deep"));
        }
        let began = self.values;
        self.count(1)?;
        self.open.push(Open { holds, places: Places::new(at), anchor, began });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        // The parser ends nothing that it has not begun.
        let Some(Open { holds, places, anchor, began }) = self.open.pop() else { return Ok(()) };
        let value = match holds {
            Holds::List(values) => Value::Array(Tag::Default, values),
            Holds::Table { done, .. } => Value::Dict(Tag::Default, done),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - began));
        }
        self.put(value, places)
    }

    fn put(&mut self, value: Value, at: Places) -> Result<(), String> {
        let Some(Open { holds, places, .. }) = self.open.last_mut() else {
            self.root = Some((value, at));
            return Ok(());
        };
        match holds {
            Holds::List(values) => {
                places.insert(Segment::Index(values.len()), at);
                values.push(value);
            }
            Holds::Table { done, key: key @ None } => {
                let name = name(value)?;
                if name == "<<" {
                    return Err("merge keys (<<) are not part of YAML 1.2; write the keys out".to_owned());
                }
                if done.contains_key(&name) {
                    return Err(format!("the key {} is given twice", secrecy::quoted(&name)));
                }
                *key = at.find(&[]).map(|at| (name, at));
            }
            Holds::Table { done, key } => {
                if let Some((key, key_at)) = key.take() {
                    places.insert(Segment::Key(key.clone()), at.moved_to(key_at));
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
        _ => Err("keys must be strings".to_owned()),
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
        parse(yaml)
            .map(|document| serde_json::to_value(document.value).unwrap())
            .map_err(|error| error.at.map_or_else(String::new, |at| format!("{at}: ")) + &error.why)
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
            ("a: 1\na: 2", "2:1: the key \"a\" is given twice"),
            ("a: 1\n---\nb: 2", "2:1: there is a second document"),
            ("a: &x\n  b: *x", "2:6: an alias is inside the value that it stands for"),
            ("a: {1: 2}\n? [b]\n: c", "2:5: keys must be strings"),
            ("b:\n  <<: {a: 1}", "2:3: merge keys (<<) are not part of YAML 1.2; write the keys out"),
        ] {
            assert_eq!(json(yaml).unwrap_err(), why, "{yaml}");
        }
        let why = json("a: [1").unwrap_err();
        assert!(why.starts_with("2:1: "), "{why}");
    }

    #[test]
    fn every_value_has_its_place() {
        let document = parse("a: &x\n  - 1\n  - {b: 2}\nc: *x\n").unwrap();
        let key = |key: &str| Segment::Key(key.to_owned());
        for (path, expected) in [
            (vec![key("a")], "1:1"),
            (vec![key("a"), Segment::Index(1), key("b")], "3:6"),
            (vec![key("c"), Segment::Index(1)], "4:1"),
        ] {
            assert_eq!(document.places.find(&path).unwrap().to_string(), expected);
        }
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
