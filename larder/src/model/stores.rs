//! The stores of a cache: one, or a chain of several, nearest first.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// The names of a cache's stores: at least one, the nearest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreNames(Vec<String>);

impl StoreNames {
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    /// The store that has the entries, and the near tiers in front of it.
    pub(crate) fn tiers(&self) -> Option<(&str, &[String])> {
        self.0.split_last().map(|(store, near)| (&**store, near))
    }
}

impl<'de> Deserialize<'de> for StoreNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = StoreNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a store, or a list of such names")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<StoreNames, E> {
                // In a variable, a list is `near,shared`; no store has a comma in its name that could not be quoted.
                let names = name.split(',').map(|name| name.trim().to_owned());
                check(names.collect())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<StoreNames, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                check(names)
            }
        }

        // As text, so that the name may be kept elsewhere like any other; a list comes to the visitor all the same.
        deserializer.deserialize_string(Visitor)
    }
}

fn check<E: de::Error>(names: Vec<String>) -> Result<StoreNames, E> {
    if names.is_empty() {
        return Err(E::custom("the list is empty; name at least one store"));
    }
    if names.iter().any(String::is_empty) {
        return Err(E::custom("the name of a store is empty"));
    }
    let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Err(E::custom(format!("the store {name:?} is in the list twice")));
    }
    Ok(StoreNames(names))
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for StoreNames {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StoreNames".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1, "uniqueItems": true },
            ]
        })
    }
}
