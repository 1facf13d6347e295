//! Secrets: where they can come from, and that they are shown nowhere.

use std::error::Error as _;

use larder::{Larder, Registry, backend::NullBackend, settings::Secret};
use serde::{Deserialize, Serialize};

use crate::setup::Setup;

const PASSWORD: &str = "hunter2";

/// Every text that a larder, or the error about it, gives away.
fn everything(setup: &Setup) -> String {
    match setup.builder().build() {
        Ok(larder) => format!("{} {:?} {larder:?}", larder.explain(), larder.explain()),
        Err(error) => format!("{error} {error:?} {:?}", error.source()),
    }
}

fn remote(settings: &str) -> Setup {
    Setup::toml(&format!("[stores.main]\nbackend = \"remote\"\n{settings}\n"))
}

#[test]
fn nothing_that_is_secret_is_explained() {
    let setup = remote(
        "url = \"redis://app:hunter2@db:6379?password=hunter2\"\npassword = \"hunter2\"\npepper = \"hunter2\"\n\
         user = \"redis://app:hunter2@db\"\nservers = [\"app:hunter2@a\", \"b\"]\n\
         nested = { certificate = \"https://app:hunter2@pki/ca\" }\n",
    )
    .variable("LARDER_STORES__OTHER__BACKEND", "remote")
    .variable("LARDER_STORES__OTHER__PASSWORD", PASSWORD);
    let shown = everything(&setup);
    assert!(!shown.contains(PASSWORD), "{shown}");
    for (key, value) in [
        ("url", "***"),
        ("password", "***"),
        ("pepper", "***"),
        ("user", "\"redis://***@db\""),
        ("servers", "[\"***@a\", \"b\"]"),
        ("nested.certificate", "\"https://***@pki/ca\""),
    ] {
        let key = format!("stores.main.{key}");
        assert_eq!(setup.explained(&key), format!("{value} from file larder.toml"));
    }
    // They arrived all the same.
    assert_eq!(remote("pepper = \"hunter2\"").remote().pepper, Some(Secret::new(PASSWORD)));
}

#[test]
fn nothing_that_is_secret_is_in_an_error() {
    for wrong in [
        "password = [\"hunter2\"]",
        "pepper = { value = \"hunter2\" }",
        "pasword = \"hunter2\"",
        "url = \"redis://app:hunter2@db\"\nnope = 1",
        "connect_timeout = \"redis://app:hunter2@db\"",
        "buffer = \"redis://app:hunter2@db\"",
        "database = \"redis://app:hunter2@db\"",
        "mode = \"redis://app:hunter2@db\"",
        "[caches.a]\nstore = \"redis://app:hunter2@db\"",
        "password = \"hunter2\nurl = 3",
        "password = 'hunter2' x",
        "password = hunter2",
        "password = \"hunter2\" \"hunter2\"",
        "password = \"\\uhunter2\"",
        "password = \"\"\"hunter2",
        "[defaults]\nttl = \"redis://app:hunter2@db\"",
        "[caches.\"redis://app:hunter2@db\"]\nnope = 1",
    ] {
        let shown = everything(&remote(wrong));
        assert!(shown.contains("kind: Config"), "{wrong} is accepted: {shown}");
        assert!(!shown.contains(PASSWORD), "{wrong}: {shown}");
    }
    // Numbers are secrets as well.
    let mistake = remote("password = 271828").mistake();
    assert_eq!(mistake, "stores.main.password (file larder.toml): found a number, expected a string");
    let mistake = remote("pepper = 271828").mistake();
    assert_eq!(mistake, "stores.main.pepper (file larder.toml): found a number, expected a string");
}

#[test]
fn json_and_yaml_do_not_show_the_line_either() {
    for (file, text) in [
        ("larder.json", r#"{"stores": {"main": {"password": "hunter2" "x"}}}"#),
        ("larder.json", r#"{"stores": {"main": {"password": hunter2}}}"#),
        ("larder.yaml", "stores:\n  main:\n    password: \"hunter2\n"),
        ("larder.yaml", "stores:\n  main:\n    password: *hunter2\n"),
        ("larder.yaml", "stores:\n  main:\n    password: !hunter2! x\n"),
        ("larder.yaml", "stores:\n  main:\n    password: %hunter2\n    : [\n"),
    ] {
        let shown = everything(&Setup::new().file(file, text));
        assert!(shown.contains("kind: Config") && !shown.contains(PASSWORD), "{text}: {shown}");
    }
}

#[test]
fn a_secret_can_be_kept_in_a_file() {
    let setup = Setup::new().file("password", "hunter2\n").file("url", "redis://db\r\n");
    let (password, url) = (setup.path("password"), setup.path("url"));
    let setup = setup
        .file(
            "larder.toml",
            format!("[stores.main]\nbackend = \"remote\"\npassword = {{ file = {password:?} }}\n"),
        )
        .variable("LARDER_STORES__MAIN__URL__FILE", &url);
    let settings = setup.remote();
    assert_eq!(settings.password, Some(Secret::new(PASSWORD)));
    assert_eq!(settings.url, Some(Secret::new("redis://db")));
    // Where it is kept is no secret.
    assert_eq!(setup.explained("stores.main.password"), "{ file = \"password\" } from file larder.toml");
    assert!(!everything(&setup).contains(PASSWORD));
}

#[test]
fn a_secret_can_be_kept_in_a_variable_of_another_name() {
    let setup = remote("url = { env = \"REDIS_URL\" }\nconnect_timeout = { env = \"REDIS_TIMEOUT\" }")
        .variable("REDIS_URL", "redis://app:hunter2@db")
        .variable("REDIS_TIMEOUT", "3s");
    let settings = setup.remote();
    assert_eq!(settings.url, Some(Secret::new("redis://app:hunter2@db")));
    assert_eq!(settings.connect_timeout, Some("3s".parse().unwrap()));
    assert_eq!(setup.explained("stores.main.url"), "{ env = \"REDIS_URL\" } from file larder.toml");
    assert!(!everything(&setup).contains(PASSWORD));
}

#[test]
fn a_later_layer_s_reference_wins() {
    let setup = Setup::new().file("password", "from the file");
    let path = setup.path("password");
    let setup = setup
        .file("larder.toml", "[stores.main]\nbackend = \"remote\"\npassword = { env = \"NOT_SET\" }\n")
        .variable("LARDER_STORES__MAIN__PASSWORD__FILE", &path);
    assert_eq!(setup.remote().password, Some(Secret::new("from the file")));
    // So does a plain value over a reference, and a reference over a plain value.
    let plain = remote("password = { env = \"NOT_SET\" }").variable("LARDER_STORES__MAIN__PASSWORD", "plain");
    assert_eq!(plain.remote().password, Some(Secret::new("plain")));
    let reference = remote("password = \"plain\"")
        .variable("LARDER_STORES__MAIN__PASSWORD__ENV", "KEPT")
        .variable("KEPT", "in a variable");
    assert_eq!(reference.remote().password, Some(Secret::new("in a variable")));
}

#[test]
fn references_that_lead_nowhere() {
    assert_eq!(
        remote("password = { file = \"/missing\" }").mistake(),
        "stores.main.password (file larder.toml): the file \"/missing\": there is no such file"
    );
    assert_eq!(
        remote("password = { env = \"NOT_SET\" }").mistake(),
        "stores.main.password (file larder.toml): the environment variable \"NOT_SET\" is not set, or empty"
    );
    assert_eq!(
        remote("password = { env = \"A\", file = \"b\" }").mistake(),
        "stores.main.password (file larder.toml): has both file and env; keep one of them"
    );
    assert_eq!(
        remote("password = { env = 3 }").mistake(),
        "stores.main.password (file larder.toml): expected { file = \"PATH\" } or { env = \"VARIABLE\" }"
    );
    // What was kept elsewhere is not shown, although this setting is no secret.
    assert_eq!(
        remote("connect_timeout = { env = \"KEPT\" }").variable("KEPT", PASSWORD).mistake(),
        "stores.main.connect_timeout (file larder.toml): the value is not accepted; it is a secret and not shown"
    );
    let setup = Setup::new().file("huge", vec![b'x'; 70_000]);
    let huge = setup.path("huge");
    let setup =
        setup.file("larder.toml", format!("[stores.main]\nbackend = \"remote\"\nuser.file = {huge:?}\n"));
    assert_eq!(
        setup.mistake(),
        "stores.main.user (file larder.toml): the file \"huge\": has more than 65536 bytes"
    );
}

#[test]
fn the_secrets_of_others_are_hidden_by_their_type() {
    #[derive(Serialize, Deserialize)]
    struct Theirs {
        pepper: Secret,
        salts: Vec<Secret>,
        inner: Inner,
        wrapped: Wrapped,
        #[serde(skip_serializing)]
        silent: String,
        #[serde(default)]
        size: u32,
    }
    #[derive(Serialize, Deserialize)]
    struct Inner {
        spice: Option<Secret>,
    }
    #[derive(Serialize, Deserialize)]
    struct Wrapped(Secret);

    let registry = Registry::empty().register("theirs", |settings: Theirs, _| {
        let Theirs { pepper, salts, inner, wrapped, silent, size } = settings;
        let secrets = [&pepper, &salts[0], &salts[1], inner.spice.as_ref().unwrap(), &wrapped.0];
        assert!(secrets.iter().all(|secret| secret.expose() == PASSWORD) && silent == PASSWORD && size == 0);
        Ok(NullBackend::new())
    });
    let variables =
        [("LARDER_STORES__MAIN__SALTS", "hunter2,hunter2"), ("LARDER_STORES__MAIN__WRAPPED", PASSWORD)];
    let setup = Setup::toml(
        "[stores.main]\nbackend = \"theirs\"\npepper = \"hunter2\"\ninner.spice = \"hunter2\"\nsilent = \"hunter2\"\n",
    );
    let larder = setup.builder().environment(variables).registry(registry).build().unwrap();
    let expected = "\
stores.main.backend = \"theirs\"  # file larder.toml
stores.main.breaker = \"none\"  # built-in default
stores.main.deadline = \"none\"  # built-in default
stores.main.failover = \"none\"  # built-in default
stores.main.trace = false  # built-in default
stores.main.inner.spice = ***  # file larder.toml
stores.main.pepper = ***  # file larder.toml
stores.main.salts = [***, ***]  # environment variable LARDER_STORES__MAIN__SALTS
stores.main.size = 0  # built-in default
stores.main.wrapped = ***  # environment variable LARDER_STORES__MAIN__WRAPPED
stores.main.silent = ***  # file larder.toml
";
    let shown = setup.without_directory(&larder.explain().to_string());
    assert!(shown.starts_with(expected), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[test]
fn a_builder_shows_no_secret() {
    let builder = Larder::builder()
        .environment([("LARDER_STORES__MAIN__PASSWORD", PASSWORD)])
        .set("stores.main.url", PASSWORD);
    assert!(!format!("{builder:?}").contains(PASSWORD));
}
