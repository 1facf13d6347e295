//! The list of servers, in each of the ways people write one.

use std::{collections::HashSet, fmt};

use larder_core::{Result, settings::redact_url};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
};

use larder_net::settings::wrong;

use crate::address::ServerAddress;

/// More are a mistake: a list that was generated and not cut.
const MAX_SERVERS: usize = 1024;

/// One server of a store.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where it is: `host`, `host:port`, `tls://host:port` or `unix:///path`. The port is 11211 if none is
    /// given. Whether the name exists is only seen when connecting.
    #[serde(serialize_with = "without_credentials")]
    pub address: String,
    /// Its share of the keys, 1 to 10 000, compared with the others. Default: 1. With
    /// [`Rendezvous`](crate::Hashing::Rendezvous) weights are reduced by their common divisor and must then
    /// be at most 100.
    pub weight: u32,
    /// What it is called when keys are spread. Default: its address. A server that takes another's place
    /// keeps its keys if it is given its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ServerConfig {
    /// A server with the same share as every other.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), weight: 1, name: None }
    }

    /// The same with another share.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The same with a name of its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl From<&str> for ServerConfig {
    fn from(address: &str) -> Self {
        Self::new(address)
    }
}

impl From<String> for ServerConfig {
    fn from(address: String) -> Self {
        Self::new(address)
    }
}

/// An address has no credentials. If somebody wrote some, they are not shown, here as little as in the error.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("address", &redact_url(&self.address))
            .field("weight", &self.weight)
            .field("name", &self.name)
            .finish()
    }
}

fn without_credentials<S: Serializer>(address: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&redact_url(address))
}

impl<'de> Deserialize<'de> for ServerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ServerConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a server, like \"host:port\" or { address = \"host:port\", weight = 2 }")
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<ServerConfig, E> {
                Ok(address.into())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<ServerConfig, A::Error> {
                let Table { address, weight, name } = Table::deserialize(MapAccessDeserializer::new(table))?;
                Ok(ServerConfig { address, weight, name })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Table {
    address: String,
    #[serde(default = "one")]
    weight: u32,
    #[serde(default)]
    name: Option<String>,
}

fn one() -> u32 {
    1
}

/// Reads a list, or one string.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerConfig>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<ServerConfig>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("servers, like [\"host:port\", \"host:port\"] or \"host:port, host:port\"")
        }

        fn visit_str<E: de::Error>(self, list: &str) -> Result<Self::Value, E> {
            Ok(list.split(',').map(|address| address.trim().into()).collect())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut servers = Vec::new();
            while let Some(server) = list.next_element()? {
                servers.push(server);
            }
            Ok(servers)
        }
    }

    deserializer.deserialize_any(Visitor)
}

#[cfg(feature = "schema")]
pub(super) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let table = generator.subschema_for::<Table>();
    schemars::json_schema!({
        "description": "The servers: a list, or one string, in which commas separate several.",
        "anyOf": [
            { "type": "string", "minLength": 1 },
            {
                "type": "array",
                "minItems": 1,
                "items": { "anyOf": [{ "type": "string", "minLength": 1 }, table] }
            }
        ]
    })
}

/// Where the servers are.
pub(super) fn check(servers: &[ServerConfig]) -> Result<Vec<ServerAddress>> {
    if servers.is_empty() || servers.len() > MAX_SERVERS {
        return Err(wrong(
            "servers",
            &format!("found {} servers, expected 1 to {MAX_SERVERS}", servers.len()),
        ));
    }
    let addresses: Vec<ServerAddress> = servers
        .iter()
        .map(|server| ServerAddress::parse(&server.address).map_err(|why| wrong("servers", &why)))
        .collect::<Result<_>>()?;
    let mut seen = HashSet::new();
    for (server, address) in servers.iter().zip(&addresses) {
        let identity = server.name.clone().unwrap_or_else(|| address.identity());
        if identity.is_empty() {
            return Err(wrong("servers", &format!("{address} has an empty name")));
        }
        if !(1..=10_000).contains(&server.weight) {
            return Err(wrong("servers", &format!("{address} has a weight that is not from 1 to 10000")));
        }
        if let Some(twice) = seen.replace(identity) {
            return Err(wrong("servers", &format!("\"{twice}\" is in the list twice")));
        }
    }
    Ok(addresses)
}
