//! Looking into caches on real servers: one key, many, and a store that is down.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::{fs, path::Path};

use common::{Ran, run_in, run_with_input};
use larder_test_servers::{MemcachedServer, RedisServer, Reply};
use serde_json::Value;

const PASSWORD: &str = "hunter2-of-the-test";

fn configured(url: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[stores.main]\nbackend = \"redis\"\nurl = \"{url}\"\ndeadline = \"5s\"\n\n[defaults]\nttl = \"1h\"\n\n\
         [caches.users]\nnamespace = \"shop/users\"\nschema = 2\ncodec = \"zstd\"\n\n[caches.pages]\nformat = \"json\"\n"
    );
    fs::write(folder.path().join("larder.toml"), text).unwrap();
    folder
}

fn larder(folder: &Path, line: &str) -> Ran {
    run_in(folder, line.split_whitespace())
}

#[test]
fn one_key_from_beginning_to_end() {
    let server = RedisServer::start();
    let folder = configured(server.url());
    let folder = folder.path();
    let larder = |line: &str| larder(folder, line);

    let missing = larder("get user:#7 --cache users");
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    assert!(missing.err.contains("there is no entry"), "{}", missing.err);

    larder(r#"set user:#7 {"name":"Ada"} --cache users --ttl 10m --tag staff"#).ok();
    assert!(matches!(server.command(&["EXISTS", "shop/users@2:user:#7"]), Reply::Integer(1)));
    let shown: Value = larder("get user:#7 --cache users").json();
    assert_eq!(shown["name"], "Ada");
    // As it stands in the store, too.
    assert_eq!(larder("get shop/users@2:user:#7 --cache users").json(), shown);
    let ttl = larder("ttl user:#7 --cache users").ok().out;
    assert!(ttl.starts_with("9m 59s") || ttl.starts_with("10m"), "{ttl}");

    larder("touch user:#7 --cache users --ttl 2h").ok();
    assert!(larder("ttl user:#7 --cache users").ok().out.starts_with("1h 59m"));

    let about = larder("inspect user:#7 --cache users --json").json();
    assert_eq!(about["key"], "shop/users@2:user:#7");
    assert_eq!(
        (&about["usable"], &about["stamps_stand"], &about["kind"]),
        (&true.into(), &true.into(), &"value".into())
    );
    assert_eq!(about["value"]["name"], "Ada");
    assert!(about["stamps"].to_string().contains("tag staff"), "{about}");
    assert!(about["stored_bytes"].as_u64().unwrap() > 0);

    larder("invalidate --tag staff --cache users").ok();
    let dead = larder("inspect user:#7 --cache users --json");
    assert_eq!(dead.code, 1);
    let dead: Value = serde_json::from_str(&dead.out).unwrap();
    assert_eq!(dead["stamps_stand"], false, "{dead}");
    assert!(dead["verdict"].as_str().unwrap().contains("invalidated"), "{dead}");
    larder("set user:#7 1 --cache users").ok();
    assert_eq!(larder("delete user:#7 --cache users").code, 0);
    assert_eq!(larder("delete user:#7 --cache users").code, 1);
}

#[test]
fn many_keys_at_once() {
    let server = RedisServer::start();
    let folder = configured(server.url());
    let larder = |line: &str| larder(folder.path(), line);
    let is_there = |key: &str, cache: &str| larder(&format!("get {key} --cache {cache}")).code == 0;
    let fill = || {
        larder("set a 1 --cache users").ok();
        larder("set a 1 --cache pages").ok();
    };
    fill();
    larder("clear --cache users").ok();
    assert!(!is_there("a", "users") && is_there("a", "pages"));
    fill();
    larder("invalidate --namespace shop --store main").ok();
    assert!(!is_there("a", "users") && is_there("a", "pages"));
    larder("invalidate --key a --cache pages").ok();
    assert!(!is_there("a", "pages"));
    assert_eq!(larder("invalidate").code, 2);
}

#[test]
fn a_value_from_standard_input_and_bytes_to_standard_output() {
    let server = RedisServer::start();
    let folder = configured(server.url());
    let config = folder.path().join("larder.toml").display().to_string();
    let arguments = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .chain(["--config".to_owned(), config.clone()])
            .collect::<Vec<_>>()
    };
    run_with_input(arguments("set a - --cache pages"), b"[1, \"two\"]").ok();
    let raw = run_with_input(arguments("get a --cache pages --raw"), b"").ok();
    assert_eq!(raw.out, "[1,\"two\"]");
    let wrong = run_with_input(arguments("set a - --cache pages"), b"no json");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("not JSON"));
}

#[test]
fn a_store_that_is_down_is_said_with_what_was_tried_and_no_secret() {
    let folder = configured(&format!("redis://operator:{PASSWORD}@127.0.0.1:1/0"));
    let commands = [
        "get user:#7 --cache users",
        "set user:#7 1 --cache users",
        "delete user:#7 --cache users",
        "ttl user:#7 --cache users",
        "expire user:#7 --cache users",
        "touch user:#7 --cache users --ttl 1m",
        "inspect user:#7 --cache users",
        "invalidate --tag t --cache users",
        "invalidate --key k --cache users",
        "invalidate --namespace shop --store main",
        "clear --cache users",
        "scan --cache users",
        "snapshot --cache users --into saved",
        "warm entries --cache users",
        "migrate --from users --to pages",
        "dictionary train --cache users --into dictionary",
        "ping",
        "doctor",
        #[cfg(feature = "prove")]
        "conformance --store main",
        #[cfg(feature = "prove")]
        "bench --store main",
        #[cfg(feature = "prove")]
        "faults --store main",
    ];
    fs::write(folder.path().join("entries"), "{\"key\": \"a\", \"value\": 1}\n").unwrap();
    for command in commands.iter().flat_map(|command| [(*command).to_owned(), format!("{command} --json")]) {
        let ran = larder(folder.path(), &command);
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
        assert!(ran.err.contains("main") && ran.err.contains("127.0.0.1:1"), "{command}: {}", ran.err);
        assert!(!format!("{}{}", ran.out, ran.err).contains(PASSWORD), "{command}: {ran:?}");
    }
    for command in [
        "config explain",
        "config explain --json",
        "config check",
        "config diff larder.toml",
        "config schema",
        "config check --json",
        "config diff larder.toml --json",
        "completions bash",
        "man",
    ] {
        let ran = larder(folder.path(), command);
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        assert!(!format!("{}{}", ran.out, ran.err).contains(PASSWORD), "{command}: {ran:?}");
    }
    // Nothing is left of what could not be done, and no secret in what is.
    let names = |folder: &Path| -> Vec<String> {
        let entries =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| name != "larder.toml" && name != "entries").collect()
    };
    assert_eq!(names(folder.path()), Vec::<String>::new());
    // A replay reads its log before it needs its store, which may fail: the loader answers, and errors are counted.
    let nasa = common::nasa();
    let log = folder.path().join("short.tsv");
    let mut lines = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(fs::File::open(nasa).unwrap()),
        &mut lines,
    )
    .unwrap();
    fs::write(&log, lines.lines().take(200).collect::<Vec<_>>().join("\n")).unwrap();
    let ran = larder(folder.path(), &format!("replay {} --cache users --post read --json", log.display()));
    assert!(!format!("{}{}", ran.out, ran.err).contains(PASSWORD), "{ran:?}");
    let set = run_in(folder.path(), ["config", "check", "--set", &format!("redis://x:{PASSWORD}@h")]);
    assert_eq!(set.code, 2);
    assert!(!set.err.contains(PASSWORD), "{}", set.err);
}

#[test]
fn what_is_wrong_is_said_before_a_store_is_asked() {
    let folder = configured("redis://127.0.0.1:1");
    for (command, words) in [
        ("get user:#07 --cache users", "is no key"),
        ("get '' --cache users", "is no key"),
        ("get a --cache user", "users"),
        ("get a", "--cache"),
        ("config check --set stores.main.urll=x", "url"),
        ("config check --config /no/such.toml", "/no/such.toml"),
        ("ping --store other", "other"),
    ] {
        let ran = larder(folder.path(), command);
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
        assert!(ran.err.contains(words), "{command}: {}", ran.err);
    }
    fs::write(folder.path().join("larder.toml"), "[stores.main]\nbackend = \"memory\"\n").unwrap();
    let ran = larder(folder.path(), "get a --cache any");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("memory of each process"), "{}", ran.err);
}

#[test]
fn sections_of_a_programs_own_are_left_alone_and_not_shown() {
    let folder = configured("redis://127.0.0.1:1");
    let path = folder.path().join("larder.toml");
    let text =
        fs::read_to_string(&path).unwrap() + "\n[proxy]\ntoken = \"secret-token\"\n[[proxy.list]]\na = 1\n";
    fs::write(&path, text).unwrap();
    assert_eq!(larder(folder.path(), "config check").code, 2);
    let ran = larder(folder.path(), "config explain --section proxy").ok();
    assert!(!ran.out.contains("secret-token"), "{}", ran.out);
}

#[test]
fn two_configurations_differ() {
    let folder = configured("redis://127.0.0.1:1");
    let text = fs::read_to_string(folder.path().join("larder.toml")).unwrap().replace("1h", "2h");
    fs::write(folder.path().join("other.toml"), text).unwrap();
    let ran = larder(folder.path(), "config diff other.toml");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("- defaults.ttl = \"1h\"\n+ defaults.ttl = \"2h\""), "{}", ran.out);
}

#[test]
fn ping_says_what_a_user_may_not_do() {
    let server = RedisServer::start();
    server.command(&["ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@connection", "+info"]);
    let url = server.url().replace("redis://", "redis://reader:pw@");
    let folder = configured(&url);
    let ran = larder(folder.path(), "ping --json");
    assert_eq!(ran.code, 1, "{ran:?}");
    let answers: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answers[0]["answers"], &answers[0]["may"]["read"]), (&true.into(), &"yes".into()));
    assert!(answers[0]["may"]["write"].as_str().unwrap().len() > 3, "{answers}");
    assert!(!ran.out.contains("reader:pw"));

    let folder = configured(server.url());
    let ran = larder(folder.path(), "ping").ok();
    assert!(ran.out.contains("median"), "{}", ran.out);
    assert!(ran.out.starts_with("main (redis), "), "{}", ran.out);
    assert!(ran.out.contains("), Redis ") || ran.out.contains("), Valkey "), "its version: {}", ran.out);
    let server_version = larder(folder.path(), "ping --json --read-only").json()[0]["server"][0].clone();
    assert!(server_version.as_str().unwrap().contains('.'), "{server_version}");
    assert!(
        matches!(server.command(&["DBSIZE"]), Reply::Integer(0..=1)),
        "only the record of a namespace may stay"
    );
}

#[test]
fn memcached_is_looked_into_alike() {
    let server = MemcachedServer::start();
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[stores.main]\nbackend = \"memcached\"\nservers = [\"{}\"]\n", server.address());
    fs::write(folder.path().join("larder.toml"), text).unwrap();
    larder(folder.path(), "set user:#7 [1] --cache users").ok();
    assert_eq!(larder(folder.path(), "get user:#7 --cache users").json(), serde_json::json!([1]));
    assert_eq!(
        larder(folder.path(), "inspect user:#7 --cache users --json").json()["value"],
        serde_json::json!([1])
    );
    let ran = larder(folder.path(), "ping").ok();
    assert!(
        ran.out.starts_with(&format!("main (memcached at {}), Memcached 1.", server.address())),
        "{}",
        ran.out
    );
}
