//! What is said about a wrong configuration, word by word: where, from which layer, what was found, what would
//! be accepted, and what was probably meant.

use crate::setup::Setup;

fn mistake(toml: &str) -> String {
    Setup::toml(toml).mistake()
}

#[test]
fn unknown_keys() {
    assert_eq!(
        mistake("[stores.main]\nbackend = \"local\"\ndeadlnie = \"1s\"\n"),
        "stores.main.deadlnie (file larder.toml): unknown key, did you mean \"deadline\"? Accepted: backend, \
         deadline, breaker, failover, trace, max_entries"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"local\"\nprefix = \"x\"\n"),
        "stores.main.prefix (file larder.toml): unknown key. Accepted: backend, deadline, breaker, failover, trace, \
         max_entries"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"remote\"\nnested = { dept = 3 }\n"),
        "stores.main.nested.dept (file larder.toml): unknown key, did you mean \"depth\"? Accepted: certificate, \
         depth"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"local\"\n[caches.a]\nnamspace = \"x\"\n"),
        "caches.a.namspace (file larder.toml): unknown key, did you mean \"namespace\"? Accepted: namespace, \
         schema, store, near, ttl, format, codec, compress_above, max_value, invalidation_lag, \
         jitter, negative_ttl, stale_while_revalidate, stale_if_error, error_backoff, soft_deadline, \
         hard_deadline, load_limit, early_refresh, xfetch, max_loads, abandon, lease, sliding"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"local\"\n[cache.a]\nttl = \"1s\"\n"),
        "cache (file larder.toml): unknown section, did you mean \"caches\"? Accepted: defaults, stores, codecs, \
         caches"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"local\"\n[defaults]\nschema = 3\n"),
        "defaults.schema (file larder.toml): unknown key; each cache has its own, in [caches.NAME]. Accepted: store, near, ttl, format, codec, compress_above, \
         max_value, invalidation_lag, \
         jitter, negative_ttl, stale_while_revalidate, stale_if_error, error_backoff, soft_deadline, \
         hard_deadline, load_limit, early_refresh, xfetch, max_loads, abandon, lease, sliding"
    );
}

#[test]
fn wrong_types() {
    let store = |settings: &str| mistake(&format!("[stores.main]\nbackend = \"remote\"\n{settings}\n"));
    for (settings, expected) in [
        (
            "database = \"x\"",
            "database (file larder.toml): found \"x\", expected a whole number from 0 to 255",
        ),
        ("database = 256", "database (file larder.toml): found 256, expected a whole number from 0 to 255"),
        ("database = -1", "database (file larder.toml): found -1, expected a whole number from 0 to 255"),
        ("tls = \"yes\"", "tls (file larder.toml): found \"yes\", expected true or false"),
        ("servers = \"a\"", "servers (file larder.toml): found \"a\", expected a list"),
        ("servers = [\"a\", 2]", "servers[1] (file larder.toml): found a number, expected a string"),
        (
            "user = { name = 1 }",
            "user (file larder.toml): found a table, expected a string, { file = \"PATH\" } or \
                               { env = \"VARIABLE\" }",
        ),
        ("user = 7", "user (file larder.toml): found a number, expected a string"),
        ("nested = 7", "nested (file larder.toml): found 7, expected a table"),
        (
            "mode = \"clutser\"",
            "mode (file larder.toml): found \"clutser\", did you mean \"cluster\"? Accepted: \
                                single, cluster",
        ),
        (
            "connect_timeout = 60",
            "connect_timeout (file larder.toml): found 60, expected a duration with its \
                                  unit, like \"250ms\", \"60s\" or \"1h 30m\"; did you mean \"60s\"?",
        ),
        (
            "buffer = \"many\"",
            "buffer (file larder.toml): \"many\" is not a size; write it like \"64 KiB\", \
                               \"256 MiB\" or \"1GB\"",
        ),
    ] {
        assert_eq!(store(settings), format!("stores.main.{expected}"), "{settings}");
    }
    assert_eq!(
        Setup::toml("[stores.main]\nbackend = \"remote\"\n")
            .variable("LARDER_STORES__MAIN__PORTS", "1,x")
            .mistake(),
        "stores.main.ports[1] (environment variable LARDER_STORES__MAIN__PORTS): found \"x\", expected a whole \
         number from 0 to 65535"
    );
    assert_eq!(mistake("stores = 5"), "stores (file larder.toml): found 5, expected a table of settings");
    assert_eq!(
        mistake("[stores]\nmain = 5"),
        "stores.main (file larder.toml): found 5, expected a table of settings: [stores.NAME]"
    );
}

#[test]
fn durations() {
    let with = |settings: &str| mistake(&format!("[stores.main]\nbackend = \"local\"\n{settings}"));
    assert_eq!(
        with("[caches.a]\nttl = \"6o s\"\n"),
        "caches.a.ttl (file larder.toml): found \"6o s\", expected a duration with its unit, like \"60s\" or \
         \"1h 30m\", or \"never\""
    );
    assert_eq!(
        with("[caches.a]\nttl = 60\n"),
        "caches.a.ttl (file larder.toml): found 60, expected a duration with its unit, like \"60s\" or \"1h \
         30m\", or \"never\"; did you mean \"60s\"?"
    );
    assert_eq!(
        with("deadline = 50\n"),
        "stores.main.deadline (file larder.toml): found 50, expected a duration with its unit, like \"50ms\", or \
         \"none\"; did you mean \"50ms\"?"
    );
    assert_eq!(
        with("deadline = \"0s\"\n"),
        "stores.main.deadline (file larder.toml): must be greater than zero; \"none\" stands for no limit"
    );
}

#[test]
fn names_of_nothing() {
    let with = |settings: &str| mistake(&format!("[stores.main]\nbackend = \"local\"\n{settings}"));
    assert_eq!(
        with("[caches.a]\nstore = \"mian\"\n"),
        "caches.a.store (file larder.toml): there is no store \"mian\", did you mean \"main\"? Accepted: main"
    );
    assert_eq!(
        with("[caches.a]\nformat = \"jsno\"\n"),
        "caches.a.format (file larder.toml): there is no format \"jsno\", did you mean \"json\"? Accepted: raw, \
         json, msgpack, postcard"
    );
    assert_eq!(
        with("[caches.a]\ncodec = \"lz5\"\n"),
        "caches.a.codec (file larder.toml): there is no codec \"lz5\". Accepted: none"
    );
    assert_eq!(
        with("[codecs.lz5]\nlevel = 3\n"),
        "codecs.lz5 (file larder.toml): there is no codec \"lz5\". Accepted: none"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"remoet\"\n"),
        "stores.main.backend (file larder.toml): there is no backend \"remoet\", did you mean \"remote\"? \
         Accepted: local, null, remote"
    );
    assert_eq!(
        mistake("[stores.main]\nbackend = \"redis\"\n"),
        "stores.main.backend (file larder.toml): the backend \"redis\" is not in this program, which was built \
         without larder's feature \"redis\". Accepted: local, null, remote"
    );
    assert_eq!(
        with("[defaults]\nstore = \"far\"\n[caches.a]\n[caches.b]\n"),
        "defaults.store (file larder.toml): there is no store \"far\". Accepted: main"
    );
}

#[test]
fn what_is_missing() {
    assert_eq!(
        mistake("[stores.main]\nmax_entries = 5\n"),
        "stores.main.backend (file larder.toml): is missing for the store \"main\". Accepted: local, null, remote"
    );
    assert_eq!(
        Setup::toml("[stores.main]\nbackend = \"local\"\n")
            .variable("LARDER_STORES__MIAN__MAX_ENTRIES", "1")
            .mistake(),
        "stores.mian.backend (environment variable LARDER_STORES__MIAN__MAX_ENTRIES): is missing for the store \
         \"mian\", did you mean \"main\"? Accepted: local, null, remote"
    );
    assert_eq!(
        mistake("[stores.a]\nbackend = \"local\"\n[stores.b]\nbackend = \"local\"\n"),
        "defaults.store (built-in default): there are several stores and none is called \"main\". Accepted: a, b"
    );
    assert_eq!(
        mistake("[stores.a]\nbackend = \"local\"\n[stores.b]\nbackend = \"local\"\n[caches.x]\n"),
        "caches.x.store (file larder.toml): there are several stores and none is called \"main\". Accepted: a, b"
    );
    // Not if every cache says where it is.
    Setup::toml(
        "[stores.a]\nbackend = \"local\"\n[stores.b]\nbackend = \"local\"\n[caches.x]\nstore = \"a\"\n",
    )
    .build();
}

#[test]
fn what_a_backend_refuses() {
    assert_eq!(
        mistake("[stores.main]\nbackend = \"remote\"\ndatabase = 16\n"),
        "stores.main.database (file larder.toml): database 16 is above 15"
    );
}

#[test]
fn values_out_of_range() {
    let with = |settings: &str| mistake(&format!("[stores.main]\nbackend = \"local\"\n{settings}"));
    assert_eq!(
        with("[caches.a]\nmax_value = 0\n"),
        "caches.a.max_value (file larder.toml): found 0 B, expected a size of at least 1 B"
    );
    assert_eq!(
        with("[caches.a]\nnamespace = \"a//b\"\n"),
        "caches.a.namespace (file larder.toml): namespace \"a//b\" has an empty segment; write it like \
         \"shop/users\""
    );
    assert_eq!(
        with("[caches.a]\n[caches.b]\nnamespace = \"a\"\n"),
        "caches.b.namespace (file larder.toml): the cache \"a\" (file larder.toml) has the namespace \"a\" on the same store; a load \
         of one could bring back what the other has just invalidated, so use one cache for both"
    );
    // Another schema has other keys.
    Setup::toml(
        "[stores.main]\nbackend = \"local\"\n[caches.a]\n[caches.b]\nnamespace = \"a\"\nschema = 1\n",
    )
    .build();
}

#[test]
fn several_at_once() {
    let setup = Setup::toml(
        "[defaults]\nttl = 5\n\
         [stores.main]\nbackend = \"remote\"\ndatabase = \"x\"\nurll = \"y\"\ntls = 3\n\
         [caches.a]\nformat = \"xml\"\nsore = \"main\"\n\
         [caches.b]\ncodec = \"lzma\"\n",
    );
    let mistakes = setup.mistakes();
    let keys: Vec<&str> = mistakes.iter().map(|mistake| mistake.split_once(' ').unwrap().0).collect();
    let expected = [
        "stores.main.database",
        "stores.main.tls",
        "stores.main.urll",
        "defaults.ttl",
        "caches.a.sore",
        "caches.b.codec",
    ];
    assert_eq!(keys, expected, "{mistakes:#?}");
    let text = setup.without_directory(&setup.builder().build().unwrap_err().to_string());
    let start = "build failed (config): 6 things are wrong with the configuration:\n\
                 - stores.main.database (file larder.toml): found \"x\", expected a whole number from 0 to 255\n\
                 - stores.main.tls";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn policies_that_mean_nothing() {
    let cache =
        |settings: &str| mistake(&format!("[stores.main]\nbackend = \"local\"\n[caches.a]\n{settings}\n"));
    for (settings, expected) in [
        (
            "early_refresh = 1.0",
            "early_refresh (file larder.toml): found 1, expected a number between 0 and 1, such as 0.8",
        ),
        (
            "early_refresh = \"often\"",
            "early_refresh (file larder.toml): found \"often\", expected a number, like 0.8, or \"none\"",
        ),
        ("xfetch = -1", "xfetch (file larder.toml): found -1, expected 0 or a positive number, such as 1.0"),
        ("max_loads = 0", "max_loads (file larder.toml): found 0, expected at least 1"),
        (
            "lease = \"1us\"",
            "lease (file larder.toml): found less than a millisecond, expected longer than a load takes",
        ),
        ("abandon = \"wait\"", "abandon (file larder.toml): found \"wait\". Accepted: finish, cancel"),
        (
            "stale_if_error = 60",
            "stale_if_error (file larder.toml): found 60, expected a duration with its unit, like \"250ms\", \"60s\" or \"1h 30m\"",
        ),
    ] {
        let found = cache(settings);
        assert!(found.starts_with(&format!("caches.a.{expected}")), "{found}");
    }
}
