//! JSON, by serde_json, which knows no places: a second look at the text, which is known to be right by then, finds them.
//! A key that is given twice is refused, of which serde_json would silently take the last.

use std::fmt;

use figment::value::{Dict, Empty, Num, Tag, Value};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Document, Lines, Places, Syntax};
use crate::config::{origin::Position, path::Segment, secrecy};

pub(super) fn parse(text: &str) -> Result<Document, Syntax> {
    let Node(value) = serde_json::from_str(text).map_err(|error| {
        let why = error.to_string();
        // It says the place as well, in words.
        let why = why.rsplit_once(" at line ").map_or(&*why, |(why, _)| why);
        // A column of 0 stands for the end of the line before.
        Syntax::new(Position::new(error.line().max(1), error.column().max(1)), why)
    })?;
    let mut walk = Walk { text, lines: Lines::new(text), at: 0 };
    let places = walk.value();
    Ok(Document { value, places })
}

/// A walk over a text that is known to be JSON, of no more depth than serde_json allows.
struct Walk<'t> {
    text: &'t str,
    lines: Lines<'t>,
    at: usize,
}

impl<'t> Walk<'t> {
    fn value(&mut self) -> Places {
        self.skip_space();
        let mut places = Places::new(self.lines.position(self.at));
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                while self.more(b'}') {
                    let at = self.lines.position(self.at);
                    let key = self.string();
                    self.skip_space();
                    // The colon.
                    self.at += 1;
                    let key = serde_json::from_str(key).unwrap_or_default();
                    let below = self.value().moved_to(at);
                    places.insert(Segment::Key(key), below);
                }
            }
            Some(b'[') => {
                self.at += 1;
                let mut index = 0;
                while self.more(b']') {
                    let below = self.value();
                    places.insert(Segment::Index(index), below);
                    index += 1;
                }
            }
            Some(b'"') => _ = self.string(),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let ends = |byte: u8| b",]}".contains(&byte) || byte.is_ascii_whitespace();
                self.at += rest.bytes().position(ends).unwrap_or(rest.len());
            }
        }
        places
    }

    /// Whether there is a further element; steps over the comma, or over the end.
    fn more(&mut self, end: u8) -> bool {
        self.skip_space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_space();
        }
        let is_end = self.peek().is_none_or(|byte| byte == end);
        self.at += usize::from(is_end);
        !is_end
    }

    /// A string with its quotes.
    fn string(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut is_escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        let length = end.map_or(rest.len(), |end| end + 2);
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// A value in which no key is given twice.
#[derive(Debug)]
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table, a list, a string, a number, true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Num(Tag::Default, Num::F64(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty(Tag::Default, Empty::Unit))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Node(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(Tag::Default, values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut dict = Dict::new();
        while let Some((key, Node(value))) = map.next_entry::<String, Node>()? {
            if dict.contains_key(&key) {
                return Err(de::Error::custom(format!("the key {} is given twice", secrecy::quoted(&key))));
            }
            dict.insert(key, value);
        }
        Ok(Value::Dict(Tag::Default, dict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let text = "{\"a\": [1, {\"b\\\"]\": \"x\\\\\"}],\n  \"c\": {} , \"d\":null\n}";
        let document = parse(text).unwrap();
        let find = |path: &[Segment]| document.places.find(path).unwrap().to_string();
        let key = |key: &str| Segment::Key(key.to_owned());
        assert_eq!(find(&[key("a")]), "1:2");
        assert_eq!(find(&[key("a"), Segment::Index(0)]), "1:8");
        assert_eq!(find(&[key("a"), Segment::Index(1), key("b\"]")]), "1:12");
        assert_eq!(find(&[key("c")]), "2:3");
        assert_eq!(find(&[key("d")]), "2:13");
    }

    #[test]
    fn an_error_has_its_place() {
        let wrong = parse("{\n  \"a\": 1,\n  \"a\": 2}").unwrap_err();
        assert_eq!(wrong.at.unwrap().line, 3);
        assert_eq!(wrong.why, "the key \"a\" is given twice");
        assert_eq!(parse("").unwrap_err().at, Some(Position::new(1, 1)));
    }
}
