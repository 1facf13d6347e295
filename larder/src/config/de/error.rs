//! What goes wrong when a value is read: what was wanted, and at which value it was not there.

use std::fmt::{self, Display};

use figment::value::{Tag, Value};
use serde::de::{self, Expected, Unexpected};

use super::Reading;
use crate::config::{path::KeyPath, secrecy, show, text};

/// What went wrong, and at which value.
#[derive(Debug)]
pub(in crate::config) struct DeError {
    pub(in crate::config) what: What,
    pub(in crate::config) place: Option<Box<Place>>,
}

#[derive(Debug)]
pub(in crate::config) enum What {
    /// The value is not of the kind that is wanted.
    Expected(String),
    /// It is text, and none of those that are wanted.
    OneOf(&'static [&'static str]),
    /// There is no such key; these there are.
    UnknownKey(&'static [&'static str]),
    /// A key is there under two names.
    Twice(&'static str),
    /// A key is missing.
    Missing(&'static str),
    /// The text is kept elsewhere and cannot be had; the message holds none of it.
    Reference(String),
    /// Anything else that a type says about its value.
    Message(String),
}

/// The value that an error is about.
#[derive(Debug)]
pub(in crate::config) struct Place {
    pub(in crate::config) path: KeyPath,
    pub(in crate::config) tag: Tag,
    /// The value, as it may be shown.
    pub(in crate::config) found: String,
    /// The value, if it is text that may be shown.
    pub(in crate::config) text: Option<String>,
    /// What kind of value it is.
    pub(in crate::config) kind: &'static str,
    /// Whether the value must not be shown.
    pub(in crate::config) is_hidden: bool,
}

impl DeError {
    pub(super) fn new(what: What) -> Self {
        Self { what, place: None }
    }

    /// Says which value it is about, unless that is known already.
    pub(super) fn at(mut self, reading: &Reading<'_>, value: &Value) -> Self {
        if self.place.is_none() {
            let path = reading.path.borrow().clone();
            let is_hidden = path.is_telling();
            let found = if is_hidden { secrecy::HIDDEN.to_owned() } else { show::found(value) };
            let text = match value {
                Value::Num(..) => Some(found.clone()),
                _ => value.as_str().map(str::to_owned),
            };
            // More than that is no slip of the fingers.
            let text = text.filter(|text| !is_hidden && text.len() <= text::LONGEST);
            self.place = Some(Box::new(Place {
                path,
                tag: value.tag(),
                found,
                text,
                kind: show::kind(value),
                is_hidden,
            }));
        }
        self
    }

    /// The same about a value that must not be shown.
    pub(super) fn hidden(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.is_hidden = true;
        }
        self
    }
}

impl Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(What::Message(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Expected(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Expected(expected.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::OneOf(expected))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey(expected))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Twice(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }
}
