//! Listing a cache, carrying its entries into a file, back, and to another store, and making a dictionary of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::{fs, path::Path};

use common::{Ran, run_in};
use larder_test_servers::{MemcachedServer, RedisServer, Reply};
use serde_json::{Value, json};

fn larder(folder: &Path, line: &str) -> Ran {
    run_in(folder, line.split_whitespace())
}

/// Two servers, and caches on them.
fn two() -> (RedisServer, MemcachedServer, tempfile::TempDir) {
    let (redis, memcached, folder) =
        (RedisServer::start(), MemcachedServer::start(), tempfile::tempdir().unwrap());
    let text = format!(
        "[stores.one]\nbackend = \"redis\"\nurl = \"{}\"\ndeadline = \"5s\"\n\n[stores.two]\nbackend = \"memcached\"\nservers = [\"{}\"]\n\
         deadline = \"5s\"\n\n[caches.old]\nstore = \"one\"\nnamespace = \"shop/users\"\nschema = 2\nformat = \"json\"\n\n[caches.new]\n\
         store = \"two\"\nformat = \"msgpack\"\n\n[caches.again]\nstore = \"one\"\nformat = \"msgpack\"\n\n[caches.typed]\nstore = \"one\"\n\
         format = \"postcard\"\n\n[defaults]\nttl = \"1h\"\n",
        redis.url(),
        memcached.address()
    );
    fs::write(folder.path().join("larder.toml"), text).unwrap();
    (redis, memcached, folder)
}

#[test]
fn keys_of_a_cache_and_of_nobody_else() {
    let (redis, _memcached, folder) = two();
    let larder = |line: &str| larder(folder.path(), line);
    let nothing = larder("scan --cache old");
    assert_eq!((nothing.code, nothing.out.as_str()), (1, ""));
    for number in 0..20 {
        larder(&format!("set user:#{number} {number} --cache old")).ok();
    }
    larder("set page 1 --cache again").ok();
    redis.command(&["SET", "shop/users@2:\u{1b}[2J", "x"]);
    redis.command(&["SET", "shop/users:user:#1", "of another schema"]);
    let ran = larder("scan --cache old").ok();
    let mut keys: Vec<&str> = ran.out.lines().filter(|key| key.starts_with("user:#")).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 20, "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 21, "and one that is somebody's");
    assert!(!ran.out.contains('\u{1b}'), "the terminal would obey");
    let some = larder("scan --cache old --begins user:#1 --json").json();
    assert_eq!(some["keys"].as_array().unwrap().len(), 11, "{some}");
    let few = larder("scan --cache old --most 3 --json").json();
    assert_eq!((few["keys"].as_array().unwrap().len(), &few["more"]), (3, &true.into()));
    let cannot = larder("scan --cache new");
    assert_eq!(cannot.code, 2);
    assert!(
        cannot.err.contains("cannot list its keys") && cannot.err.contains("memcached"),
        "{}",
        cannot.err
    );
}

#[test]
fn entries_with_their_tags_and_ttls_into_a_file_and_another_store() {
    let (_redis, _memcached, folder) = two();
    let larder = |line: &str| larder(folder.path(), line);
    larder(r#"set user:#1 {"name":"Ada"} --cache old --ttl 10m --tag staff"#).ok();
    larder(r#"set user:#2 {"name":"Bob"} --cache old --tag gone"#).ok();
    larder("set user:#3 [3] --cache old").ok();
    larder("invalidate --tag gone --cache old").ok();

    let report = larder("snapshot --cache old --into saved.jsonl --json").json();
    assert_eq!((&report["written"], &report["unusable"]), (&2.into(), &1.into()), "{report}");
    let saved = fs::read_to_string(folder.path().join("saved.jsonl")).unwrap();
    assert!(saved.contains("\"tags\":[\"staff\"]") && saved.lines().count() == 2, "{saved}");

    larder("set user:#3 4 --cache new").ok();
    let report = larder("migrate --from old --to new --json").json();
    assert_eq!((&report["written"], &report["kept"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(larder("get user:#1 --cache new").json(), json!({ "name": "Ada" }));
    assert_eq!(larder("get user:#3 --cache new").json(), 4, "what was there is newer");
    let ttl = larder("ttl user:#1 --cache new --json").json();
    assert!((500.0..=600.0).contains(&ttl["fresh_seconds"].as_f64().unwrap()), "{ttl}");
    // Its tag came along.
    larder("invalidate --tag staff --cache new").ok();
    assert_eq!(larder("get user:#1 --cache new").code, 1);

    larder("warm saved.jsonl --cache again").ok();
    assert_eq!(larder("get user:#1 --cache again").json(), json!({ "name": "Ada" }));
    larder("invalidate --tag staff --cache again").ok();
    assert_eq!(larder("get user:#1 --cache again").code, 1);
    let again = larder("warm saved.jsonl --cache old --json").json();
    assert_eq!(again["kept"], 2, "{again}");
}

#[test]
fn a_file_that_is_no_snapshot_and_a_cache_that_takes_none() {
    let (_redis, _memcached, folder) = two();
    let larder = |line: &str| larder(folder.path(), line);
    let write = |text: &str| fs::write(folder.path().join("file"), text).unwrap();
    for (text, words) in [
        ("no json\n", "file:1: not an entry"),
        ("{\"key\": \"a\", \"value\": 1}\n\n{\"key\": \"b\"}\n", "file:3: not an entry"),
        ("{\"key\": \"a:#07\", \"value\": 1}\n", "is no key"),
        ("{\"key\": \"a\", \"value\": 1, \"other\": 2}\n", "other"),
    ] {
        write(text);
        let ran = larder("warm file --cache old");
        assert_eq!(ran.code, 2, "{text}");
        assert!(ran.err.contains(words), "{text}: {}", ran.err);
    }
    write("{\"key\": \"late\", \"value\": 1, \"fresh_until\": 1000}\n");
    assert_eq!(larder("warm file --cache old --json").json()["stale"], 1);
    for line in ["warm file --cache typed", "migrate --from old --to typed"] {
        let ran = larder(line);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("postcard"), "{}", ran.err);
    }
    assert_eq!(larder("warm /no/such --cache old").code, 2);
    let nowhere = larder("snapshot --cache old --into no/such/folder");
    assert!(nowhere.code == 2 && nowhere.err.contains("no/such/folder"), "{nowhere:?}");
    assert_eq!(larder("snapshot --cache new --into file").code, 2, "Memcached lists nothing");
}

#[test]
fn a_dictionary_gains_on_what_it_has_not_seen() {
    let (redis, _memcached, folder) = two();
    let larder = |line: &str| larder(folder.path(), line);
    let samples = folder.path().join("samples");
    fs::create_dir(&samples).unwrap();
    for number in 0..600 {
        let user = json!({ "id": number * 7919 % 104_729, "name": format!("user {number}"), "roles": ["reader", "writer"], "address": { "street": "Long Street", "city": "Springfield" } });
        fs::write(samples.join(format!("{number}.json")), user.to_string()).unwrap();
        let mut lines = fs::read_to_string(folder.path().join("warm.jsonl")).unwrap_or_default();
        lines += &(json!({ "key": format!("user:#{number}"), "value": user }).to_string() + "\n");
        fs::write(folder.path().join("warm.jsonl"), lines).unwrap();
    }
    let gains = |report: &Value| report["not_seen"]["gain"].as_f64().unwrap();
    let report = larder("dictionary train --from samples --into users.dictionary --size 4KiB --json").json();
    assert_eq!((&report["samples"], &report["samples_not_seen"]), (&480.into(), &120.into()), "{report}");
    assert!(gains(&report) > 0.2, "{report}");
    let size = fs::metadata(folder.path().join("users.dictionary")).unwrap().len();
    assert!(size <= 4096 && report["dictionary_bytes"] == size, "{report}");
    // A codec takes it.
    let config = fs::read_to_string(folder.path().join("larder.toml")).unwrap();
    let path = folder.path().join("users.dictionary").display().to_string();
    fs::write(
        folder.path().join("larder.toml"),
        config + &format!("\n[codecs.zstd]\ndictionary = \"{path}\"\n\n[caches.squeezed]\nstore = \"one\"\nformat = \"json\"\ncodec = \"zstd\"\n"),
    )
    .unwrap();
    larder("config check").ok();

    larder("warm warm.jsonl --cache old").ok();
    let report = larder("dictionary train --cache old --into cache.dictionary --json").json();
    assert_eq!(report["samples"], 480, "{report}");
    assert!(gains(&report) > 0.2, "{report}");

    // Nothing in common: the answer is no, or none can be made. Too few: said.
    for entry in fs::read_dir(&samples).unwrap().skip(20) {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let few = larder("dictionary train --from samples --into few.dictionary");
    assert_eq!(few.code, 2);
    assert!(few.err.contains("20 samples"), "{}", few.err);
    assert!(!folder.path().join("few.dictionary").exists());
    assert!(matches!(redis.command(&["DBSIZE"]), Reply::Integer(600..)));
}
