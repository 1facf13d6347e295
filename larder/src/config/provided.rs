//! What one source says: a file, a variable, a line of code.

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Tag, Value},
};

use super::{origin::Origin, places::Places};

/// What one source says, and where in it.
#[derive(Debug)]
pub(super) struct Provided {
    pub(super) origin: Origin,
    pub(super) dict: Dict,
    pub(super) places: Places,
}

impl Provided {
    /// What stands in one place.
    pub(super) fn new(origin: Origin, dict: Dict) -> Self {
        Self { origin, dict, places: Places::default() }
    }

    pub(super) fn in_file(origin: Origin, dict: Dict, places: Places) -> Self {
        Self { origin, dict, places }
    }

    pub(super) fn stores(&self) -> Option<&Dict> {
        self.dict.get("stores").and_then(Value::as_dict)
    }

    pub(super) fn stores_mut(&mut self) -> Option<&mut Dict> {
        match self.dict.get_mut("stores") {
            Some(Value::Dict(_, stores)) => Some(stores),
            _ => None,
        }
    }

    /// The values for figment, which carries the number of the layer beside each.
    pub(super) fn numbered(&self, number: usize) -> Numbered {
        Numbered { number, dict: self.dict.clone() }
    }
}

/// One layer, as figment merges it.
pub(super) struct Numbered {
    number: usize,
    dict: Dict,
}

impl Numbered {
    /// The number of the layer that a value came from.
    pub(super) fn number(metadata: &Metadata) -> Option<usize> {
        metadata.name.parse().ok()
    }
}

impl Provider for Numbered {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.number.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

/// A table of tables with one value in it.
pub(crate) fn nest(keys: &[String], value: impl Into<Value>) -> Dict {
    let Some((first, rest)) = keys.split_first() else { return Dict::new() };
    let value = if rest.is_empty() { value.into() } else { Value::Dict(Tag::Default, nest(rest, value)) };
    Dict::from([(first.clone(), value)])
}
