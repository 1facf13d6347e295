//! Reads a section's values into a settings type, by way of serde. It does what figment's own reading does not:
//! an error knows the path of its value, text from the environment becomes what the setting wants, and a text
//! may be kept in a file or a variable.

mod error;

use std::cell::RefCell;

use figment::value::{Dict, Value};
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor, value},
    forward_to_deserialize_any,
};

pub(super) use self::error::{DeError, What};
use super::{
    origin::Layer,
    path::{KeyPath, Segment},
    reference,
    tree::Tree,
};

/// What the reading of one section shares.
pub(super) struct Reading<'t> {
    pub(super) tree: &'t Tree,
    /// Where the reading is.
    pub(super) path: RefCell<KeyPath>,
}

impl Reading<'_> {
    /// Reads a value that stands one step further down.
    fn step<'de, S: DeserializeSeed<'de>>(
        &self,
        segment: Segment,
        value: &Value,
        seed: S,
        fields: &'static [&'static str],
    ) -> Result<S::Value, DeError> {
        self.path.borrow_mut().push(segment);
        let reader = ValueReader { value, reading: self, fields };
        let result = seed.deserialize(reader).map_err(|error| error.at(self, value));
        self.path.borrow_mut().pop();
        result
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct ValueReader<'r> {
    value: &'r Value,
    reading: &'r Reading<'r>,
    /// The keys of the table that the value stands in, where they are known.
    fields: &'static [&'static str],
}

impl<'r> ValueReader<'r> {
    pub(super) fn new(value: &'r Value, reading: &'r Reading<'r>) -> Self {
        Self { value, reading, fields: &[] }
    }

    /// The text of a value that came from the environment, where everything is text.
    fn variable(&self) -> Option<&'r str> {
        let text = self.value.as_str()?;
        (self.reading.tree.origin(self.value.tag(), &KeyPath::default()).layer == Layer::Environment)
            .then_some(text)
    }

    fn table<'de, V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.value {
            Value::Dict(_, dict) => visitor.visit_map(TableReader {
                rest: dict.iter(),
                next: None,
                reading: self.reading,
                fields,
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let Some(elements) = self.variable().and_then(split_list) else {
            return self.deserialize_any(visitor);
        };
        let tag = self.value.tag();
        let elements: Vec<Value> = elements.into_iter().map(|text| Value::String(tag, text)).collect();
        visitor.visit_seq(ListReader { rest: elements.iter().enumerate(), reading: self.reading })
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.value {
            Value::Dict(_, dict) if reference::is_one(dict) => {
                let text = reference::resolve(dict, self.reading.tree)
                    .map_err(|why| DeError::new(What::Reference(why)))?;
                // What is kept elsewhere is kept there because it should not be seen.
                visitor
                    .visit_string::<DeError>(text)
                    .map_err(|error| error.at(self.reading, self.value).hidden())
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

/// A list in a variable: `["a", "b"]` as in JSON, or `a,b`.
fn split_list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Vec::new());
    }
    if !text.starts_with('[') {
        return Some(text.split(',').map(|element| element.trim().to_owned()).collect());
    }
    let elements: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let as_text = |element| match element {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(element.to_string()),
        _ => None,
    };
    elements.into_iter().map(as_text).collect()
}

macro_rules! parse_variables {
    ($($method:ident => $visit:ident: $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            match self.variable().and_then(|text| text.trim().parse::<$type>().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueReader<'_> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.value {
            Value::String(_, text) => visitor.visit_str(text),
            Value::Char(_, character) => visitor.visit_char(*character),
            Value::Bool(_, is) => visitor.visit_bool(*is),
            Value::Num(_, number) => {
                if let Some(number) = number.to_u128_lossy() {
                    u64::try_from(number).map_or_else(
                        |_| Err(de::Error::custom("the number is too large")),
                        |number| visitor.visit_u64(number),
                    )
                } else if let Some(number) = number.to_i128() {
                    i64::try_from(number).map_or_else(
                        |_| Err(de::Error::custom("the number is too small")),
                        |number| visitor.visit_i64(number),
                    )
                } else {
                    visitor.visit_f64(number.to_f64().unwrap_or(f64::NAN))
                }
            }
            Value::Empty(..) => visitor.visit_unit(),
            Value::Dict(..) => self.table(&[], visitor),
            Value::Array(_, values) => {
                visitor.visit_seq(ListReader { rest: values.iter().enumerate(), reading: self.reading })
            }
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.variable().map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Some("true" | "1") => visitor.visit_bool(true),
            Some("false" | "0") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    parse_variables! {
        deserialize_i8 => visit_i8: i8,
        deserialize_i16 => visit_i16: i16,
        deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
        deserialize_i128 => visit_i128: i128,
        deserialize_u8 => visit_u8: u8,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
        deserialize_u128 => visit_u128: u128,
        deserialize_f32 => visit_f32: f32,
        deserialize_f64 => visit_f64: f64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.value {
            Value::Empty(..) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.table(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.table(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.value {
            Value::String(_, text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Dict(_, dict) => {
                let table = TableReader { rest: dict.iter(), next: None, reading: self.reading, fields: &[] };
                visitor.visit_enum(value::MapAccessDeserializer::new(table))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// A type that does not know a key asks for it to be ignored. Here nothing is ignored.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DeError> {
        Err(DeError::new(What::UnknownKey(self.fields)))
    }

    forward_to_deserialize_any! { char bytes byte_buf unit unit_struct identifier }
}

struct TableReader<'r> {
    rest: std::collections::btree_map::Iter<'r, String, Value>,
    next: Option<(&'r str, &'r Value)>,
    reading: &'r Reading<'r>,
    fields: &'static [&'static str],
}

impl<'de> MapAccess<'de> for TableReader<'_> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.next = Some((key, value));
        let key_reader: value::StrDeserializer<'_, DeError> = key.as_str().into_deserializer();
        seed.deserialize(key_reader).map(Some).map_err(|error| {
            self.reading.path.borrow_mut().push(Segment::Key(key.clone()));
            let error = error.at(self.reading, value);
            self.reading.path.borrow_mut().pop();
            error
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let Some((key, value)) = self.next.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        self.reading.step(Segment::Key(key.to_owned()), value, seed, self.fields)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct ListReader<'r> {
    rest: std::iter::Enumerate<std::slice::Iter<'r, Value>>,
    reading: &'r Reading<'r>,
}

impl<'de> SeqAccess<'de> for ListReader<'_> {
    type Error = DeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DeError> {
        let Some((index, value)) = self.rest.next() else { return Ok(None) };
        self.reading.step(Segment::Index(index), value, seed, &[]).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The same table without the value at this path, or `None` if it is not there.
pub(super) fn without(dict: &Dict, keys: &[&str]) -> Option<Dict> {
    let (first, rest) = keys.split_first()?;
    let mut dict = dict.clone();
    match dict.get(*first)? {
        Value::Dict(tag, inner) if !rest.is_empty() => {
            let inner = Value::Dict(*tag, without(inner, rest)?);
            dict.insert((*first).to_owned(), inner);
        }
        _ => drop(dict.remove(*first)),
    }
    Some(dict)
}
