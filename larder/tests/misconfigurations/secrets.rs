//! A secret in every place where text can be written: none of it is in an error, in `Debug` or in `explain()`.

use std::{error::Error as _, fs};

use larder::Larder;

/// A key in PEM, URLs with every special character, tokens; and the part of each that must not be seen.
const SECRETS: [(&str, &str); 12] = [
    (
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQ",
    ),
    ("redis://app:sword/fish@db:6379", "fish"),
    ("redis://app:sword?fish@db:6379", "fish"),
    ("redis://app:sword#fish@db", "fish"),
    ("redis://app:sword@fish@db", "fish"),
    ("redis://app:sword%fish&x=y@db", "fish"),
    ("redis+unix:///run/redis.sock?pass=p&swordfish", "swordfish"),
    ("rediss://db?password=swordfish", "swordfish"),
    ("app:swordfish@db", "swordfish"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F"),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "K7MDENG"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "eyJzdWIi"),
];

/// Where text can be written: a section before the key, and the key.
const PLACES: [(&str, &[&str]); 6] = [
    ("[stores.main]\nbackend = \"memory\"", &["max_entries", "max_bytes", "deadline", "snapshot", "nope"]),
    (
        "[stores.main]\nbackend = \"redis\"\nurl = \"rediss://db\"",
        &[
            "username",
            "password",
            "password_file",
            "database",
            "connect_timeout",
            "connections",
            "max_value",
            "ca_file",
            "client_certificate_file",
            "client_key_file",
            "passwort",
            "password.file",
            "password.env",
            "password.vault",
        ],
    ),
    (
        "[stores.main]\nbackend = \"memcached\"\nservers = [\"a\"]",
        &["username", "password", "password_file", "ca_file", "x"],
    ),
    (
        "[caches.a]",
        &[
            "store",
            "ttl",
            "format",
            "codec",
            "namespace",
            "schema",
            "max_value",
            "sliding",
            "early_refresh",
            "abandon",
            "x",
        ],
    ),
    ("[defaults]", &["store", "ttl", "format", "codec", "jitter", "lease", "xfetch", "max_loads", "x"]),
    ("[codecs.zstd]", &["level", "dictionary", "x"]),
];

fn shown(toml: &str, variables: &[(String, String)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("larder.toml"), toml).unwrap();
    match Larder::builder().directory(directory.path()).environment(variables.to_vec()).build() {
        Ok(larder) => {
            let advice = larder.advice();
            format!("{} {:?} {larder:?} {advice:?}", larder.explain(), larder.explain())
        }
        Err(error) => format!("{error} {error:?} {:?}", error.source()),
    }
}

#[test]
fn none_is_shown_wherever_it_stands() {
    for (secret, part) in SECRETS {
        let check = |toml: &str, variables: &[(String, String)]| {
            let shown = shown(toml, variables);
            assert!(!shown.contains(part), "{toml}\n{variables:?}\n{shown}");
        };
        // A basic string of TOML is escaped as one of JSON is.
        let text = serde_json::to_string(secret).unwrap();
        for (section, keys) in PLACES {
            for key in keys {
                check(&format!("{section}\n{key} = {text}\n"), &[]);
                check(&format!("{section}\n{key} = [{text}]\n"), &[]);
                let name = section.trim_start_matches('[').split(']').next().unwrap();
                let name = format!("LARDER_{name}.{key}").replace('.', "__").to_uppercase();
                check(section, &[(name, secret.to_owned())]);
            }
            check(&format!("{section}\n{text} = 1\n"), &[]);
        }
        check(&format!("[stores.main]\nbackend = {text}\n"), &[]);
        check(&format!("[stores.main]\nbackend = \"redis\"\nurl = {text}\n"), &[]);
        check("[stores.main]\nbackend = \"redis\"\nurl = { env = \"U\" }\n", &[("U".into(), secret.into())]);
        check(&format!("[stores.main]\nbackend = \"memcached\"\nservers = [{text}, {text}]\n"), &[]);
        check(&format!("[stores.{text}]\nbackend = \"nope\"\n"), &[]);
        check(&format!("[stores.{text}]\nbackend = \"memory\"\n[caches.a]\nstore = \"b\"\n"), &[]);
        check(&format!("[caches.{text}]\nnope = 1\n"), &[]);
        check(&format!("[caches.{text}]\n[caches.b]\nnamespace = {text}\n"), &[]);
        check(&format!("{text} = 1\n"), &[]);
        check(&format!("[{text}]\na = 1\n"), &[]);
        check(&format!("[profiles.production.stores.main]\nbackend = {text}\n"), &[]);
        check(&format!("[profiles.{text}.stores.main]\nbackend = 1\n"), &[]);
        check("", &[("LARDER_PROFILE".into(), secret.into())]);
        check("", &[("LARDER_CONFIG".into(), secret.into())]);
        // As the path of a snapshot it is relative, and a store in memory claims it.
        let _ = fs::remove_file(format!("{secret}.owner"));
    }
}
