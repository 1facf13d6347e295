//! Arbitrary settings: paths and values that a configuration may have, might have, or should not have.

use arbitrary::{Arbitrary, Unstructured};
use serde_json::{Map, Value, json};

use crate::Text;

const SECTIONS: &[&str] = &["defaults", "stores", "codecs", "caches", "profiles", "store", "cache"];
const NAMES: &[&str] =
    &["main", "search", "users", "prod", "gzip", "zstd", "a.b", "Main", "ma-in", "ma_in", ""];
const KEYS: &[&str] = &[
    "backend",
    "deadline",
    "store",
    "ttl",
    "format",
    "codec",
    "compress_above",
    "max_value",
    "invalidation_lag",
    "namespace",
    "schema",
    "url",
    "username",
    "password_file",
    "database",
    "connect_timeout",
    "response_timeout",
    "connections",
    "max_in_flight",
    "ca_file",
    "client_certificate_file",
    "client_key_file",
    "servers",
    "hashing",
    "address",
    "weight",
    "name",
    "max_entries",
    "max_bytes",
    "level",
    "dictionary",
    "more_dictionaries",
    "0",
    "1",
];
const VALUES: &[&str] = &[
    "memory",
    "moka",
    "quick-cache",
    "redis",
    "memcached",
    "null",
    "none",
    "main",
    "search",
    "users",
    "json",
    "msgpack",
    "postcard",
    "raw",
    "gzip",
    "zstd",
    "60s",
    "1h 30m",
    "never",
    "0s",
    "250ms",
    "9999999999999 years",
    "64 KiB",
    "256 MiB",
    "0",
    "-1",
    "18446744073709551615",
    "1.5 GB",
    "99999999 TiB",
    "true",
    "shop/users",
    "a//b",
    "redis://127.0.0.1:6379",
    "rediss://cache:6380/1",
    "unix:///run/redis.sock",
    "redis+unix:///r?db=1",
    "127.0.0.1:11211",
    "[::1]:11211",
    "tls://cache:11211",
    "ketama",
    "[a, b]",
    "{ttl = \"1s\"}",
    "\"60s\"",
    "missing.pem",
];

/// The path of a setting.
#[derive(Debug, Clone)]
pub struct Path(pub Vec<String>);

impl<'a> Arbitrary<'a> for Path {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut segments = Vec::new();
        for known in [SECTIONS, NAMES, KEYS, KEYS] {
            match u8::arbitrary(u)? % 16 {
                0 => segments.push(Text::arbitrary(u)?.0),
                1 => segments.push((*u.choose(NAMES)?).to_owned()),
                2 => break,
                _ => segments.push((*u.choose(known)?).to_owned()),
            }
            // Most settings have a path of two or three segments.
            if segments.len() >= 2 && u8::arbitrary(u)? % 2 == 0 {
                break;
            }
        }
        Ok(Self(segments))
    }
}

/// The value of a setting.
#[derive(Debug, Clone)]
pub struct Setting(pub Value);

impl<'a> Arbitrary<'a> for Setting {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(match u8::arbitrary(u)? % 16 {
            0 => json!(i64::arbitrary(u)?),
            1 => json!(i8::arbitrary(u)?),
            2 => json!(u64::arbitrary(u)?),
            3 => json!(f64::arbitrary(u)?),
            4 => json!(bool::arbitrary(u)?),
            5 => json!(Text::arbitrary(u)?.0),
            6 => Value::Null,
            7 => Value::Array(Vec::<Self>::arbitrary(u)?.into_iter().map(|setting| setting.0).collect()),
            8 => tree(&Vec::arbitrary(u)?),
            _ => json!(*u.choose(VALUES)?),
        }))
    }
}

/// The settings as one tree. Where two want the same place, the later one has it.
pub fn tree(settings: &[(Path, Setting)]) -> Value {
    let mut root = Value::Object(Map::new());
    for (path, setting) in settings {
        let place = path.0.iter().fold(&mut root, |place, key| {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            // It is an object now.
            &mut place[key]
        });
        *place = setting.0.clone();
    }
    root
}
