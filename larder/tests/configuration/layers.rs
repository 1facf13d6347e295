//! Each layer overrides the one below, and what a cache does not say it inherits.

use std::time::Duration;

use larder::{
    Larder, Ttl,
    cache::{Abandon, Policy},
};
use serde_json::json;

use crate::setup::{Mode, Nested, RemoteSettings, Setup};

fn ttl(larder: &Larder, cache: &str) -> Ttl {
    larder.cache::<String>(cache).unwrap().default_ttl()
}

fn seconds(seconds: u64) -> Ttl {
    Ttl::After(Duration::from_secs(seconds))
}

const LOCAL: &str = "[stores.main]\nbackend = \"local\"\n";

#[test]
fn each_layer_overrides_the_one_below() {
    let file = format!("{LOCAL}[caches.a]\n");
    let setup = Setup::toml(&file);
    assert_eq!(setup.explained("caches.a.ttl"), "\"5m\" from built-in default");
    assert_eq!(ttl(&setup.build(), "a"), seconds(300));

    let file = format!("{file}ttl = \"1s\"\n");
    let setup = Setup::toml(&file);
    assert_eq!(setup.explained("caches.a.ttl"), "\"1s\" from file larder.toml");

    let file = format!("{file}[profiles.production.caches.a]\nttl = \"2s\"\n");
    let setup = Setup::toml(&file).variable("LARDER_PROFILE", "production");
    let expected = "\"2s\" from profile section in file larder.toml";
    assert_eq!(setup.explained("caches.a.ttl"), expected);

    let setup = setup.file("larder.production.toml", "[caches.a]\nttl = \"3s\"\n");
    assert_eq!(setup.explained("caches.a.ttl"), "\"3s\" from file larder.production.toml");

    let setup = setup.variable("LARDER_CACHES__A__TTL", "4s");
    let expected = "\"4s\" from environment variable LARDER_CACHES__A__TTL";
    assert_eq!(setup.explained("caches.a.ttl"), expected);

    let larder = setup.builder().set("caches.a.ttl", "5s").build().unwrap();
    let expected = format!("\"5s\" from program, {}:{}", file!(), line!() - 1);
    assert_eq!(setup.explained_of(&larder, "caches.a.ttl"), expected);
    assert_eq!(ttl(&larder, "a"), seconds(5));
}

#[test]
fn a_cache_inherits_what_it_does_not_say() {
    let setup = Setup::toml(
        "[defaults]\nttl = \"never\"\nformat = \"json\"\n\
         [stores.main]\nbackend = \"local\"\n\
         [caches.own]\nttl = \"1h\"\nmax_value = \"1 MiB\"\n\
         [caches.plain]\n",
    );
    let larder = setup.build();
    assert_eq!(ttl(&larder, "own"), seconds(3600));
    assert_eq!(ttl(&larder, "plain"), Ttl::Never);
    let text = setup.without_directory(&larder.explain().to_string());
    let expected = "\
caches.own.abandon = \"finish\"  # [defaults], built-in default
caches.own.codec = \"none\"  # [defaults], built-in default
caches.own.compress_above = \"1 KiB\"  # [defaults], built-in default
caches.own.early_refresh = \"none\"  # [defaults], built-in default
caches.own.error_backoff = \"1s\"  # [defaults], built-in default
caches.own.format = \"json\"  # [defaults], file larder.toml
caches.own.hard_deadline = \"none\"  # [defaults], built-in default
caches.own.invalidation_lag = \"100ms\"  # [defaults], built-in default
caches.own.jitter = \"0s\"  # [defaults], built-in default
caches.own.lease = \"none\"  # [defaults], built-in default
caches.own.load_limit = \"1m\"  # [defaults], built-in default
caches.own.max_loads = 1024  # [defaults], built-in default
caches.own.max_value = \"1 MiB\"  # file larder.toml
caches.own.near = { bus = true, ttl = \"none\", ttl_without_bus = \"1s\" }  # [defaults], built-in default
caches.own.negative_ttl = \"10s\"  # [defaults], built-in default
caches.own.sliding = \"none\"  # [defaults], built-in default
caches.own.soft_deadline = \"none\"  # [defaults], built-in default
caches.own.stale_if_error = \"0s\"  # [defaults], built-in default
caches.own.stale_while_revalidate = \"0s\"  # [defaults], built-in default
caches.own.store = \"main\"  # [defaults], built-in default
caches.own.ttl = \"1h\"  # file larder.toml
caches.own.xfetch = \"none\"  # [defaults], built-in default
caches.plain.abandon";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn without_any_configuration_there_is_a_store_in_memory() {
    let mistakes = Setup::new().mistakes();
    // The registry of these tests has no backend in memory.
    assert!(mistakes[0].starts_with("stores.main.backend (built-in default): "), "{mistakes:?}");
    let setup = Setup::new().variable("LARDER_STORES__MAIN__BACKEND", "local");
    let larder = setup.build();
    assert_eq!(ttl(&larder, "any name"), seconds(300));
    assert!(larder.store("main").is_some());
}

#[test]
fn the_built_in_store_gives_way_to_configured_ones() {
    let setup = Setup::toml("[stores.fleet]\nbackend = \"remote\"\n[caches.a]\n");
    let larder = setup.build();
    assert!(larder.store("main").is_none());
    assert_eq!(setup.explained("caches.a.store"), "\"fleet\" from built-in default");
    // Also to one that a variable configures.
    let larder = Setup::new().variable("LARDER_STORES__FLEET__BACKEND", "local").build();
    assert!(larder.store("main").is_none() && larder.store("fleet").is_some());
}

#[test]
fn shared_stores_have_a_deadline_and_others_have_none() {
    let setup = Setup::toml(
        "[stores.main]\nbackend = \"remote\"\n[stores.near]\nbackend = \"local\"\n\
         [stores.slow]\nbackend = \"remote\"\ndeadline = \"2s\"\n\
         [stores.patient]\nbackend = \"remote\"\ndeadline = \"none\"\n",
    );
    assert_eq!(setup.explained("stores.main.deadline"), "\"50ms\" from built-in default");
    assert_eq!(setup.explained("stores.near.deadline"), "\"none\" from built-in default");
    assert_eq!(setup.explained("stores.slow.deadline"), "\"2s\" from file larder.toml");
    let larder = setup.build();
    let deadline = |name| larder.store(name).unwrap().capabilities().deadline;
    assert_eq!(deadline("main"), Some(Duration::from_millis(50)));
    assert_eq!(deadline("slow"), Some(Duration::from_secs(2)));
    assert_eq!((deadline("near"), deadline("patient")), (None, None));
}

#[test]
fn another_backend_begins_without_the_settings_of_the_old_one() {
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\nmax_entries = 1000\ndeadline = \"1s\"\n")
        .variable("LARDER_STORES__MAIN__BACKEND", "remote")
        .variable("LARDER_STORES__MAIN__USER", "app");
    assert_eq!(setup.remote().user, "app");
    assert_eq!(setup.explained("stores.main.deadline"), "\"50ms\" from built-in default");
    let text = setup.without_directory(&setup.build().explain().to_string());
    let expected = "# dropped: stores.main.max_entries of file larder.toml, since environment variable \
                    LARDER_STORES__MAIN__BACKEND chose another backend\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn the_same_backend_keeps_its_settings() {
    let setup = Setup::toml("[stores.main]\nbackend = \"remote\"\nuser = \"file\"\ndatabase = 3\n")
        .variable("LARDER_STORES__MAIN__BACKEND", "remote")
        .variable("LARDER_STORES__MAIN__USER", "variable");
    let settings = setup.remote();
    assert_eq!((settings.user.as_str(), settings.database), ("variable", 3));
}

#[test]
fn what_is_dropped_is_what_lies_below_the_choice() {
    let setup = Setup::toml(
        "[stores.main]\nbackend = \"local\"\nmax_entries = 1\n\
         [profiles.p.stores.main]\nbackend = \"remote\"\nuser = \"profile\"\n",
    )
    .variable("LARDER_PROFILE", "p")
    .variable("LARDER_STORES__MAIN__DATABASE", "2");
    let settings = setup.remote();
    assert_eq!((settings.user.as_str(), settings.database), ("profile", 2));
}

#[test]
fn variables_become_what_the_setting_wants() {
    let setup = Setup::toml("[stores.main]\nbackend = \"remote\"\n")
        .variable("LARDER_STORES__MAIN__PASSWORD", "007")
        .variable("LARDER_STORES__MAIN__USER", "1e5")
        .variable("LARDER_STORES__MAIN__PEPPER", "true")
        .variable("LARDER_STORES__MAIN__URL", "{not: a table}")
        .variable("LARDER_STORES__MAIN__SERVERS", "[\"a:1\", \"b:2\"]")
        .variable("LARDER_STORES__MAIN__PORTS", "6379, 6380")
        .variable("LARDER_STORES__MAIN__DATABASE", "7")
        .variable("LARDER_STORES__MAIN__RATIO", "0.5")
        .variable("LARDER_STORES__MAIN__TLS", "1")
        .variable("LARDER_STORES__MAIN__OFFSET", "-3")
        .variable("LARDER_STORES__MAIN__CONNECT_TIMEOUT", "250ms")
        .variable("LARDER_STORES__MAIN__BUFFER", "64 KiB")
        .variable("LARDER_STORES__MAIN__MODE", "cluster")
        .variable("LARDER_STORES__MAIN__NESTED__DEPTH", "2")
        .variable("LARDER_CACHES__A__SCHEMA", "4");
    let expected = RemoteSettings {
        url: Some(larder::settings::Secret::new("{not: a table}")),
        password: Some(larder::settings::Secret::new("007")),
        pepper: Some(larder::settings::Secret::new("true")),
        user: "1e5".to_owned(),
        servers: vec!["a:1".to_owned(), "b:2".to_owned()],
        ports: vec![6379, 6380],
        database: 7,
        ratio: 0.5,
        tls: true,
        offset: -3,
        connect_timeout: Some("250ms".parse().unwrap()),
        buffer: Some("64 KiB".parse().unwrap()),
        mode: Mode::Cluster,
        nested: Nested { certificate: None, depth: 2 },
    };
    assert_eq!(setup.remote(), expected);
    let cache = setup.build().cache::<String>("a").unwrap();
    assert_eq!(cache.namespace().text(), "a@4");
}

#[test]
fn an_empty_variable_is_an_empty_text_and_an_empty_list() {
    let setup = Setup::toml("[stores.main]\nbackend = \"remote\"\nuser = \"x\"\nservers = [\"a\"]\n")
        .variable("LARDER_STORES__MAIN__USER", "")
        .variable("LARDER_STORES__MAIN__SERVERS", "")
        // These two, empty, are as if they were not set.
        .variable("LARDER_PROFILE", "")
        .variable("LARDER_CONFIG", "");
    let settings = setup.remote();
    assert!(settings.user.is_empty() && settings.servers.is_empty());
}

#[test]
fn the_same_in_toml_json_and_yaml() {
    let toml = "[stores.main]\nbackend = \"remote\"\ndatabase = 3\nservers = [\"a\"]\ntls = true\nratio = 0.5\n\
                [defaults]\nttl = \"60s\"\n";
    let json = json!({
        "$schema": "https://example.org/larder.schema.json",
        "stores": { "main": { "backend": "remote", "database": 3, "servers": ["a"], "tls": true, "ratio": 0.5 } },
        "defaults": { "ttl": "60s" },
    });
    let expected = Setup::toml(toml).remote();
    assert!(expected.tls && expected.database == 3);
    assert_eq!(Setup::new().file("larder.json", json.to_string()).remote(), expected);
    if cfg!(feature = "yaml") {
        let yaml = "stores:\n  main: {backend: remote, database: 3, servers: [a], tls: true, ratio: 0.5}\n\
                    defaults:\n  ttl: 60s\n";
        assert_eq!(Setup::new().file("larder.yaml", yaml).remote(), expected);
        assert_eq!(Setup::new().file("larder.yml", yaml).remote(), expected);
    }
}

#[test]
fn the_program_can_set_a_whole_section() {
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\n");
    let larder = setup
        .builder()
        .set("caches", json!({ "a": { "ttl": "7s" }, "b.c": {} }))
        .set("caches.\"b.c\".ttl", "8s")
        .build()
        .unwrap();
    assert_eq!((ttl(&larder, "a"), ttl(&larder, "b.c")), (seconds(7), seconds(8)));
}

#[test]
fn a_named_file_is_read_and_no_other() {
    let setup = Setup::toml("not even TOML").file("other.toml", "[stores.main]\nbackend = \"local\"\n");
    let other = setup.path("other.toml");
    assert!(setup.builder().file(&other).build().is_ok());
    let by_variable = setup.variable("LARDER_CONFIG", &other);
    assert!(by_variable.builder().build().is_ok());
    // What the program says comes last.
    let file = by_variable.path("larder.toml");
    by_variable.builder().file(file).build().unwrap_err();
}

#[test]
fn a_profile_file_lies_beside_the_file() {
    let setup = Setup::new()
        .file("other.toml", "[stores.main]\nbackend = \"remote\"\nuser = \"file\"\n")
        .file("other.eu-1.json", r#"{ "stores": { "main": { "user": "profile" } } }"#)
        .variable("LARDER_PROFILE", "ignored, since the program chooses");
    let file = setup.path("other.toml");
    let larder = setup.builder().file(file).profile("eu-1").build().unwrap();
    assert_eq!(setup.explained_of(&larder, "stores.main.user"), "\"profile\" from file other.eu-1.json");
    let text = larder.explain().to_string();
    assert!(text.starts_with("# profile \"eu-1\", chosen by program, "), "{text}");
}

#[test]
fn a_profile_needs_no_file_but_its_own() {
    let setup = Setup::new()
        .file("larder.test.toml", "[stores.main]\nbackend = \"local\"\n")
        .variable("LARDER_PROFILE", "test");
    setup.build();
}

#[test]
fn the_environment_of_the_process_is_the_default() {
    // This test's own variables are set by cargo; none of them is Larder's.
    let larder = Larder::builder().set("stores.main.backend", "null").build().unwrap();
    assert!(larder.store("main").is_some());
}

#[test]
fn a_policy_comes_from_all_layers() {
    let setup = Setup::toml(
        "[defaults]\nstale_if_error = \"1h\"\nearly_refresh = 0.8\nsliding = \"1day\"\nlease = \"2s\"\n\
         [stores.main]\nbackend = \"local\"\n\
         [caches.search]\nttl = \"60s\"\nstale_while_revalidate = \"30s\"\nearly_refresh = \"none\"\n",
    )
    .variable("LARDER_CACHES__SEARCH__XFETCH", "1.5")
    .variable("LARDER_CACHES__SEARCH__MAX_LOADS", "8")
    .variable("LARDER_CACHES__SEARCH__HARD_DEADLINE", "5s");
    let larder = setup.builder().set("caches.search.abandon", "cancel").build().unwrap();
    let expected = Policy::new(Duration::from_mins(1))
        .stale_while_revalidate(Duration::from_secs(30))
        .stale_if_error(Duration::from_hours(1))
        .xfetch(1.5)
        .max_loads(8)
        .hard_deadline(Duration::from_secs(5))
        .abandon(Abandon::Cancel)
        .lease(Duration::from_secs(2))
        .sliding(Duration::from_hours(24));
    assert_eq!(*larder.cache::<String>("search").unwrap().policy(), expected);
}
