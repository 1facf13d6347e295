//! What was probably meant, where the distance between two words does not tell.

/// Names that other libraries and clients have for settings, and ours.
const SYNONYMS: [(&str, &[&str]); 13] = [
    ("ttl", &["time_to_live", "expire", "expires", "expiry", "expiration", "ttl_seconds", "expire_after"]),
    ("max_entries", &["capacity", "size", "max_size", "maxsize", "entries", "max_capacity", "limit"]),
    ("max_bytes", &["memory", "max_memory", "maxmemory", "memory_limit"]),
    ("url", &["host", "port", "uri", "address", "addr", "endpoint", "server", "servers", "hostname"]),
    ("servers", &["host", "port", "uri", "address", "addr", "endpoint", "hostname", "hosts", "nodes"]),
    ("database", &["db"]),
    ("username", &["user", "login"]),
    ("password", &["pass", "auth", "passwort"]),
    ("backend", &["type", "kind", "driver", "engine"]),
    ("codec", &["compression", "compress"]),
    ("breaker", &["circuit_breaker", "circuitbreaker"]),
    ("failover", &["fallback", "secondary", "standby", "backup", "second"]),
    ("format", &["serializer", "serialization", "encoding"]),
];

/// Settings that belong to another section, by the section in which they were written.
const ELSEWHERE: [(&str, &[&str], &str); 5] = [
    ("defaults", &["namespace", "schema"], "each cache has its own, in [caches.NAME]"),
    (
        "caches",
        &["backend", "deadline", "breaker", "failover", "url", "password", "max_entries", "max_bytes"],
        STORE,
    ),
    (
        "defaults",
        &["backend", "deadline", "breaker", "failover", "url", "password", "max_entries", "max_bytes"],
        STORE,
    ),
    (
        "stores",
        &["ttl", "format", "codec", "namespace", "schema", "jitter", "lease", "stale_if_error", "max_loads"],
        "it is a setting of caches, in [defaults] or [caches.NAME]",
    ),
    (
        "stores",
        &["failures", "window", "open_for", "slow"],
        "it is a setting of a store's breaker, in [stores.NAME.breaker]",
    ),
];
const STORE: &str = "it is a setting of stores, in [stores.NAME]";

/// The setting that another library calls so, if it is one of these.
pub(super) fn synonym<'n>(key: &str, mut known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let key = super::text::fold(key);
    known.find(|known| SYNONYMS.iter().any(|(ours, theirs)| ours == known && theirs.contains(&&*key)))
}

/// Where a setting belongs that was written into another section.
pub(super) fn elsewhere(section: &str, key: &str) -> Option<&'static str> {
    let place = ELSEWHERE.iter().find(|(wrong, keys, _)| *wrong == section && keys.contains(&key));
    place.map(|(_, _, right)| *right)
}

/// Words for "without end", or "not at all".
const ENDLESS: [&str; 11] =
    ["0", "forever", "infinite", "infinity", "inf", "unlimited", "off", "false", "none", "never", "no"];

/// What was probably meant by a text that is no duration, if that is what was wanted.
pub(super) fn duration(found: &str, expected: &str) -> Option<String> {
    if !expected.starts_with("a duration") {
        return None;
    }
    if found.contains('"') {
        return Some("the quotes are part of the value; remove them".to_owned());
    }
    let is_digit = |character: char| character.is_ascii_digit();
    if let Some(number) = found.strip_suffix('M') {
        let is_number = number.starts_with(is_digit) && number.trim_end().ends_with(is_digit);
        return is_number.then(|| format!("\"M\" is months, did you mean \"{number}m\"?"));
    }
    let word = ["never", "none"].into_iter().find(|word| expected.ends_with(&format!("or {word:?}")));
    if !found.is_empty() && found.chars().all(is_digit) && found != "0" {
        // Deadlines are written in milliseconds, lives in seconds.
        let unit = if expected.contains("\"50ms\"") { "ms" } else { "s" };
        return Some(format!("did you mean \"{found}{unit}\"?"));
    }
    let word = word?;
    ENDLESS.contains(&&*found.to_lowercase()).then(|| format!("did you mean {word:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_get_them_wrong() {
        let never = "a duration with its unit, like \"60s\", or \"never\"";
        for (found, meant) in [
            ("5M", Some("\"5m\"")),
            ("1h 30 M", Some("\"1h 30 m\"")),
            ("60", Some("\"60s\"")),
            ("forever", Some("\"never\"")),
            ("\"60s\"", Some("quotes")),
            ("", None),
            ("hunter2", None),
            ("M", None),
            ("PT5M", None),
            ("0", Some("\"never\"")),
        ] {
            let hint = duration(found, never);
            assert_eq!(hint.is_some(), meant.is_some(), "{found}: {hint:?}");
            assert!(hint.unwrap_or_default().contains(meant.unwrap_or_default()), "{found}");
        }
        assert_eq!(duration("60", "a number"), None);
    }
}
