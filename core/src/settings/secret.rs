//! Secrets: read from a configuration, used to connect, printed nowhere.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A password, a token, or a URL that holds one. `Debug`, `Display` and serde show `***`; only
/// [`expose`](Self::expose) gives it away, so that every place that does can be found by that word.
#[derive(Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps this text a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// A URL with `***` in place of its user and password and of its query: for errors and logs.
///
/// ```
/// # use larder_core::settings::redact_url;
/// assert_eq!(redact_url("redis://app:hunter2@db:6379/0?x=y"), "redis://***@db:6379/0?***");
/// assert_eq!(redact_url("redis://db:6379"), "redis://db:6379");
/// ```
pub fn redact_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A password may hold any character, `/`, `?` and `@` included, if somebody forgot to escape it: everything
    // up to the last `@` is taken for a secret.
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    let (host, query) = rest.split_once('?').map_or((rest, None), |(host, query)| (host, Some(query)));
    let mut shown = String::with_capacity(url.len());
    if !scheme.is_empty() {
        shown.push_str(scheme);
        shown.push_str("://");
    }
    if user.is_some() {
        shown.push_str("***@");
    }
    shown.push_str(host);
    if query.is_some() {
        shown.push_str("?***");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_in_no_way() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        let shown =
            format!("{secret} {secret:?} {:?} {}", Some(&secret), serde_json::to_string(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn no_part_of_a_password_survives() {
        for url in [
            "redis://:hunter2@h/1",
            "rediss://u:hunter2@h:1",
            "redis://u:hun@hunter2@h",
            "unix:///run/r.sock?pass=hunter2",
            "redis://u:a/hunter2@h",
            "u:hunter2@h",
            "redis://u:hunter2?@h/",
            "redis://u:a?hunter2@h/",
        ] {
            assert!(!redact_url(url).contains("hunter2"), "{}", redact_url(url));
        }
    }
}
