//! What is said about sources as a whole: files, profiles, variables, and what the program sets.

use serde_json::json;

use crate::setup::Setup;

fn mistake(toml: &str) -> String {
    Setup::toml(toml).mistake()
}

#[test]
fn files() {
    let setup = Setup::new();
    let missing = setup.path("missing.toml");
    let of = |setup: &Setup, file: &str| setup.mistakes_of(setup.builder().file(file)).remove(0);
    assert_eq!(of(&setup, &missing), "file missing.toml: there is no such file");
    let by_variable = Setup::new().variable("LARDER_CONFIG", "/missing.toml");
    assert_eq!(
        by_variable.mistake(),
        "file /missing.toml: there is no such file (named by the variable LARDER_CONFIG)"
    );
    assert_eq!(
        Setup::toml("").file("larder.json", "{}").mistake(),
        "file larder.toml: there is \"larder.json\" as well; keep one of them"
    );
    let syntax = mistake("[stores.main]\nbackend = \"local\"\npassword = \"hunter2\n");
    assert!(syntax.starts_with("file larder.toml: invalid basic string"), "{syntax}");
    assert!(!syntax.contains("hunter2"), "{syntax}");
    assert_eq!(mistake("[defaults]\nttl = \"1s\"\nttl = \"2s\"\n"), "file larder.toml: duplicate key");
    assert_eq!(
        Setup::new().file("larder.json", "{\"stores\": {}, \"stores\": {}}").mistake(),
        "file larder.json: the key \"stores\" is given twice"
    );
    assert_eq!(
        Setup::new().file("larder.json", "[1]").mistake(),
        "file larder.json: is not a table with the sections of a configuration"
    );
    let setup = Setup::new();
    let directory = setup.path("");
    assert!(of(&setup, &directory).contains("is a directory, expected a file"));
    let yaml = Setup::new().file("larder.yaml", "defaults: {ttl: 1s, ttl: 2s}").mistake();
    if cfg!(feature = "yaml") {
        assert_eq!(yaml, "file larder.yaml: the key \"ttl\" is given twice");
    } else {
        assert_eq!(
            yaml,
            "file larder.yaml: is YAML, which this program cannot read: it was built without larder's feature \
             \"yaml\""
        );
    }
}

#[test]
fn profiles() {
    let setup =
        Setup::toml("[profiles.production]\n[profiles.staging]\n").variable("LARDER_PROFILE", "prodution");
    assert_eq!(
        setup.mistake(),
        "environment variable LARDER_PROFILE: the profile \"prodution\" is not found, did you mean \"production\"? \
         There is neither a section [profiles.prodution] nor a file larder.prodution.toml"
    );
    let setup = Setup::new();
    let mistake = setup.mistakes_of(setup.builder().profile("p")).remove(0);
    assert!(
        mistake.starts_with("program, ") && mistake.contains("the profile \"p\" is not found."),
        "{mistake}"
    );
    assert_eq!(
        Setup::new().variable("LARDER_PROFILE", "../../etc/passwd").mistake(),
        "environment variable LARDER_PROFILE: \"../../etc/passwd\" is not the name of a profile; use letters, digits, \
         - and _, up to 64 of them"
    );
    assert_eq!(
        Setup::toml("profiles = 3\n").mistake(),
        "profiles (file larder.toml): expected a table of sections: [profiles.NAME.stores.main]"
    );
    assert_eq!(
        Setup::toml("[stores.main]\nbackend = \"local\"\n")
            .file("larder.p.toml", "[profiles.q]\n")
            .variable("LARDER_PROFILE", "p")
            .mistake(),
        "profiles (file larder.p.toml): unknown section. Accepted: defaults, stores, codecs, caches"
    );
}

#[test]
fn variables() {
    let with = |name: &str| Setup::toml("[stores.main]\nbackend = \"local\"\n").variable(name, "x").mistake();
    assert_eq!(
        with("LARDER_DEFAULT__TTL"),
        "environment variable LARDER_DEFAULT__TTL: unknown section \"default\", did you mean \"defaults\"? \
         Accepted: defaults, stores, codecs, caches"
    );
    assert_eq!(
        with("LARDER_STORES_MAIN_URL"),
        "environment variable LARDER_STORES_MAIN_URL: the parts of the name are separated by two underscores; did \
         you mean LARDER_STORES__MAIN__URL?"
    );
    assert_eq!(
        with("LARDER_STORES____URL"),
        "environment variable LARDER_STORES____URL: a part of the name is empty"
    );
    let deep = format!("LARDER_STORES{}", "__A".repeat(40_000));
    assert!(with(&deep).ends_with(": the name has more than 16 parts"));
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\n");
    let builder = setup.builder().environment([("LARDER_CACHES__A__TTL", OsString::from_vec(vec![0xff]))]);
    assert_eq!(
        setup.mistakes_of(builder),
        ["environment variable LARDER_CACHES__A__TTL: the value is not UTF-8"]
    );
}

#[test]
fn what_the_program_sets() {
    let setup = Setup::toml("[stores.main]\nbackend = \"remote\"\n");
    let of = |path: &str, value: serde_json::Value| {
        let mistake = setup.mistakes_of(setup.builder().set(path, value)).remove(0);
        mistake.replace(file!(), "FILE").replace(char::is_numeric, "0")
    };
    assert_eq!(
        of("stores..url", json!("x")),
        "program, FILE:000: \"stores..url\" is not the path of a key: a part of the path is empty; write it like \
         \"stores.main.url\""
    );
    assert_eq!(
        of("stores.main.url", json!(5)),
        "stores.main.url (program, FILE:000): found a number, expected a string"
    );
    let secret = larder::settings::Secret::new("hunter2");
    let mistakes = setup.mistakes_of(setup.builder().set("stores.main.password", &secret));
    assert!(mistakes[0].ends_with("a Secret hides itself; set what its expose() gives"), "{mistakes:?}");
}
