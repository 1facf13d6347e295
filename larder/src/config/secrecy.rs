//! What must not be shown. A URL is shown without user, password and query wherever it stands; a value whose
//! setting is called like a secret is not shown at all; what looks like a key or a token is not shown wherever it stands; and
//! what is a secret in one place of a configuration is replaced in every message about the others. What the type
//! [`Secret`](larder_core::settings::Secret) hides was hidden before it comes here.

use std::{borrow::Cow, collections::BTreeSet};

use larder_core::settings::redact_url;

use super::text;

/// What stands for a value that must not be shown; a `Secret` serializes to it.
pub(crate) const HIDDEN: &str = "***";
/// Parts of names whose values are hidden, whatever their type is.
const TELLING: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "private_key", "api_key"];
/// How keys and tokens of services begin.
const BEGINNINGS: [&str; 17] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "hvs.",
    "AVNS_",
];
/// Shorter texts are too common to be replaced in every message, in bytes.
const SHORTEST: usize = 5;
/// Words of our messages: hiding them would say that one of them is the password.
const COMMON: [&str; 12] = [
    "password",
    "secret",
    "token",
    "redis",
    "memcached",
    "memory",
    "default",
    "defaults",
    "larder",
    "cache",
    "caches",
    "stores",
];

/// Whether a setting that is called so holds what must not be shown.
pub(super) fn is_telling(key: &str) -> bool {
    let name = text::fold(key);
    // Where something is kept is no secret, and worth knowing.
    !name.ends_with("_file") && TELLING.iter().any(|part| name.contains(part))
}

/// A name or value that somebody wrote, in quotes; `***` if it looks like a key or a token.
pub(crate) fn quoted(name: &str) -> String {
    if looks_secret(name) { HIDDEN.to_owned() } else { text::quoted(&without_credentials(name)) }
}

/// A text without what it may hold of secrets; `***` if it looks like one as a whole.
pub(super) fn hidden(text: &str) -> String {
    if looks_secret(text) { HIDDEN.to_owned() } else { without_credentials(text) }
}

/// The path of a file, in quotes; `***` if it does not look like one, since a secret may have been written in its place.
pub(super) fn quoted_path(path: &str) -> String {
    if looks_like_a_path(path) { text::quoted(path) } else { HIDDEN.to_owned() }
}

/// A URL without what it may hold of secrets; any other text as is.
pub(super) fn without_credentials(text: &str) -> String {
    if text.contains("://") || text.contains('@') { redact_url(text) } else { text.to_owned() }
}

pub(super) fn looks_like_a_path(text: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"/\\._-: ~".contains(&byte) || !byte.is_ascii();
    let is_rooted = ["/", "./", "../", "~/", "\\\\"].iter().any(|start| text.starts_with(start))
        || text.as_bytes().get(1) == Some(&b':');
    let has_ending = text.rsplit_once('.').is_some_and(|(_, ending)| (1..=5).contains(&ending.len()));
    text.bytes().all(is_plain)
        && (is_rooted || has_ending || text.contains('/'))
        && (is_rooted || !looks_secret(text))
        && !text.split(['/', '\\', '.']).any(looks_secret)
}

/// Whether a text looks like a key in PEM, or a token: long, and of letters and digits as nobody names anything.
pub(super) fn looks_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") || text.contains("PRIVATE KEY") {
        return true;
    }
    if text.len() >= 12 && BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
        return true;
    }
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    if text.len() < 20 || text.len() > 4096 || !text.bytes().all(is_of_token) {
        return false;
    }
    let has = |kind: fn(&u8) -> bool| text.bytes().filter(kind).count();
    let (digits, small, large) =
        (has(u8::is_ascii_digit), has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let has_signs = text.contains(['+', '/', '=']);
    let is_mixed = digits >= if has_signs { 1 } else { 2 } && small >= 3 && large >= 3;
    let is_hex = text.len() >= 32 && digits >= 6 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    is_mixed || is_hex
}

/// The secrets of a configuration, as far as they can be known by where they stand or what they look like.
#[derive(Debug, Default, Clone)]
pub(crate) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds a text that must not be shown.
    pub(super) fn add(&mut self, secret: &str) {
        let is_one = |line: &&str| line.len() >= SHORTEST && !COMMON.contains(&&*line.to_lowercase());
        for line in secret.lines().map(str::trim).filter(is_one) {
            self.0.insert(line.to_owned());
            let escaped = line.escape_debug().to_string();
            self.0.insert(escaped);
        }
    }

    /// Adds what a text holds of secrets that stands where none belongs: the credentials and the query of a URL, a token.
    pub(super) fn add_from(&mut self, text: &str) {
        if looks_secret(text) {
            self.add(text);
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        if rest.len() == text.len() && !text.contains('@') {
            return;
        }
        let (credentials, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let password = credentials.split_once(':').map_or(credentials, |(_, password)| password);
        self.add(password);
        // A password that was not escaped falls into pieces where a URL has its own ends.
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let values =
            query.split(['&', '#']).map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        for piece in password.split(['/', '?', '#', '@', '&']).chain(values) {
            self.add(piece);
        }
    }

    /// The text with `***` in place of every secret in it.
    pub(crate) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = Cow::Borrowed(text);
        // Longer ones first: one may be a part of another.
        let mut all: Vec<&String> = self.0.iter().collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in all {
            if hidden.contains(secret.as_str()) {
                hidden = Cow::Owned(hidden.replace(secret.as_str(), HIDDEN));
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_names() {
        for secret in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOiJIUzI1NiJ9",
            "9f86d081884c7d659a2feaa0c55ad015",
            "550e8400-e29b-41d4-a716-446655440000",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
        ] {
            assert!(looks_secret(secret), "{secret}");
            assert_eq!(quoted(secret), HIDDEN);
            assert_eq!(quoted_path(secret), HIDDEN);
        }
        for name in
            ["main", "search-results-of-the-shop-2024", "cache-1.internal:6379", "stale_while_revalidate"]
        {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn paths_are_shown_and_passwords_are_not() {
        for path in
            ["/run/secrets/redis", "./password", "secrets/redis", "ca.pem", "C:\\ca.pem", "/etc/ssl/ca 2.crt"]
        {
            assert_eq!(quoted_path(path), text::quoted(path));
        }
        for other in ["hunter2", "", "p@ss/word", "Tr0ub4dor&3"] {
            assert_eq!(quoted_path(other), HIDDEN, "{other}");
        }
    }

    #[test]
    fn what_is_secret_is_hidden_wherever_it_stands() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        secrets.add("abc");
        secrets.add_from("redis://app:pass/wo?rd@db");
        secrets.add_from("redis+unix:///r.sock?pass=p&swordfish");
        assert_eq!(secrets.hide("a hunter2 abc \"wo?rd\""), "a *** abc \"wo?rd\"");
        assert_eq!(secrets.hide("of pass/wo?rd swordfish"), "of *** ***");
    }
}
