//! `larder snapshot`, `warm` and `migrate`: the usable entries of a cache into a file, out of it, and from one cache to another.
//! Values go through their format, so it has to be one that says what is in it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use larder::{Cache, Clock, Formats, Key, Larder, Ttl, cache::Encoded, format};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    items::{self, Passed},
    key::pretty,
    open_cache, place_of,
    scan::{listing_of, listing_store},
    store_of, wait,
};
use crate::{
    exit::{Failure, Outcome},
    files::write_whole,
    open::Source,
    progress::Progress,
    screen::{count, say, warn},
};

/// A line of a file may have so many bytes: a value of 64 MiB as JSON text, and its key.
const MAX_LINE: u64 = 128 << 20;

/// What may be said to `larder snapshot`.
#[derive(Debug, Args)]
pub(crate) struct Snapshot {
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: String,
    /// The file: an entry a line, as JSON.
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
    /// Ends after so many entries.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000)]
    most: u64,
    #[command(flatten)]
    source: Source,
}

/// What may be said to `larder warm`.
#[derive(Debug, Args)]
pub(crate) struct Warm {
    /// What `larder snapshot` has written, or lines of {"key": "user:#7", "value": …}.
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The cache.
    #[arg(long, value_name = "NAME")]
    cache: String,
    #[command(flatten)]
    source: Source,
}

/// What may be said to `larder migrate`.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The cache that has the entries.
    #[arg(long, value_name = "NAME")]
    from: String,
    /// The cache that is given them.
    #[arg(long, value_name = "NAME")]
    to: String,
    #[command(flatten)]
    source: Source,
}

/// An entry in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    key: String,
    value: Value,
    /// When it is no longer fresh, in milliseconds since 1970; without, its TTL is the cache's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fresh_until: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

/// What was carried.
#[derive(Debug, Default)]
struct Sums {
    carried: u64,
    /// Of keys that had an entry there.
    kept: u64,
    /// Not fresh any more.
    stale: u64,
    passed: Passed,
}

/// Writes the entries of a cache into a file.
pub(crate) fn snapshot(arguments: &Snapshot, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let (cache, mut sums, mut text) =
            (open_cache(&larder, &arguments.cache)?, Sums::default(), Vec::new());
        let passed = each(&larder, &arguments.cache, &cache, async |item| {
            serde_json::to_writer(&mut text, &item)
                .map_err(|error| Failure::new(format!("{}: not written as JSON: {error}", item.key)))?;
            text.push(b'\n');
            sums.carried += 1;
            Ok(sums.carried < arguments.most)
        })
        .await?;
        sums.passed = passed;
        write_whole(&arguments.into, &text)?;
        if sums.carried == arguments.most {
            warn(&format!("ended after {} entries; --most takes more", arguments.most));
        }
        tell(&format!("written to {}", arguments.into.display()), &sums, as_json);
        Ok(Outcome::Done)
    })
}

/// Writes the entries of a file into a cache.
pub(crate) fn warm(arguments: &Warm, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let cache = writable(&larder, &arguments.cache)?;
        let path = arguments.from.display();
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::new(format!("{path}: the file could not be read: {error}"))
        };
        let mut reader =
            BufReader::new(std::fs::File::open(&arguments.from).map_err(|error| unreadable(&error))?);
        let (mut sums, mut line, mut number) = (Sums::default(), String::new(), 0_u64);
        let mut progress = Progress::new();
        loop {
            line.clear();
            let read =
                reader.by_ref().take(MAX_LINE).read_line(&mut line).map_err(|error| unreadable(&error))?;
            if read == 0 {
                break;
            }
            number += 1;
            progress.at(|| format!("{} lines", count(number)));
            if line.trim().is_empty() {
                continue;
            }
            let item: Item = serde_json::from_str(&line).map_err(|error| {
                Failure::new(format!(
                    "{path}:{number}: not an entry: {error}; expected {{\"key\": \"user:#7\", \"value\": …}}. The {} lines before were \
                     written",
                    number - 1
                ))
            })?;
            let store = store_of(&larder, &arguments.cache).unwrap_or_default();
            put(&cache, item, &mut sums).await.map_err(|why| {
                Failure::new(format!(
                    "{path}:{number}, into the store {store:?} ({}): {why}",
                    place_of(&larder, &store)
                ))
            })?;
        }
        tell(&format!("written into the cache {:?}", arguments.cache), &sums, as_json);
        Ok(Outcome::Done)
    })
}

/// Writes the entries of a cache into another one.
pub(crate) fn migrate(arguments: &Migrate, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let (from, to) = (open_cache(&larder, &arguments.from)?, writable(&larder, &arguments.to)?);
        let mut sums = Sums::default();
        let target = store_of(&larder, &arguments.to).unwrap_or_default();
        let passed = each(&larder, &arguments.from, &from, async |item| {
            let key = item.key.clone();
            put(&to, item, &mut sums).await.map_err(|why| {
                Failure::new(format!(
                    "{key}, into the store {target:?} ({}): {why}",
                    place_of(&larder, &target)
                ))
            })?;
            Ok(true)
        })
        .await?;
        sums.passed = passed;
        tell(&format!("written from the cache {:?} into {:?}", arguments.from, arguments.to), &sums, as_json);
        Ok(Outcome::Done)
    })
}

/// Every usable entry of a cache.
async fn each(
    larder: &Larder,
    name: &str,
    cache: &Cache<Value>,
    mut take: impl AsyncFnMut(Item) -> Result<bool, Failure>,
) -> Result<Passed, Failure> {
    let store = listing_store(larder, name)?;
    let listing = listing_of(&*store, larder, name)?;
    items::entries(listing, cache, async |key, encoded| take(item(key, &encoded)?).await).await.map_err(
        |why| {
            let store = store_of(larder, name).unwrap_or_default();
            Failure::new(format!(
                "reading the cache {name:?} in the store {store:?} ({}): {why}",
                place_of(larder, &store)
            ))
        },
    )
}

fn item(key: &Key, encoded: &Encoded<Value>) -> Result<Item, Failure> {
    let bytes = encoded.decompressed().map_err(|why| Failure::new(format!("{key}: {why}")))?;
    let formats = Formats::default();
    let decoded =
        formats.by_id(encoded.body().format).map(|format| format::decode::<Value>(&**format, &bytes));
    let Some(Ok(value)) = decoded else {
        return Err(Failure::new(format!(
            "{key}: its format ({}) does not say what is in a value, so it can only be written by the program itself; formats json and \
             msgpack can be carried",
            encoded.media_type().unwrap_or("unknown")
        )));
    };
    let fresh_until = match encoded.remaining() {
        Ttl::Never => None,
        Ttl::After(left) => Some(
            Clock::system()
                .now()
                .as_millis()
                .saturating_add(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        ),
    };
    Ok(Item { key: key.to_string(), value, fresh_until, tags: items::tags(encoded) })
}

/// Writes an entry where there is none.
async fn put(cache: &Cache<Value>, item: Item, sums: &mut Sums) -> Result<(), Failure> {
    let key = Key::parse(&item.key).filter(|key| !key.is_empty()).ok_or_else(|| {
        Failure::new(format!(
            "{:?} is no key; write it as it stands in the store, such as 'user:#7'",
            item.key
        ))
    })?;
    let mut call = cache.at(&key).tags(item.tags);
    if let Some(until) = item.fresh_until {
        let left = until.saturating_sub(Clock::system().now().as_millis());
        if left == 0 {
            sums.stale += 1;
            return Ok(());
        }
        call = call.ttl(Duration::from_millis(left));
    }
    // What is there is newer than what comes.
    if call.add(item.value).await? {
        sums.carried += 1;
    } else {
        sums.kept += 1;
    }
    Ok(())
}

/// A cache that takes values without the program's own type.
fn writable(larder: &Larder, name: &str) -> Result<Cache<Value>, Failure> {
    let cache = open_cache(larder, name)?;
    let format = super::key::format_of(larder, name);
    if !matches!(format.as_str(), "json" | "msgpack") {
        return Err(Failure::new(format!(
            "the cache {name:?} has the format {format:?}, which needs the program's own type to write a value; formats json and msgpack \
             can be written here"
        )));
    }
    Ok(cache)
}

fn tell(what: &str, sums: &Sums, as_json: bool) {
    let Sums { carried, kept, stale, passed } = sums;
    if as_json {
        say(&pretty(&json!({
            "what": what,
            "written": carried,
            "kept": kept,
            "stale": stale,
            "unusable": passed.unusable,
            "unreadable_keys": passed.unreadable,
        })));
        return;
    }
    let others = [
        (*kept, "were there already and were kept"),
        (*stale, "are stale by now"),
        (passed.unusable, "could not be used by a program"),
        (passed.unreadable, "have a key that stands for a longer one"),
    ];
    let others: Vec<String> = others
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, text)| format!("; {} {text}", count(*number)))
        .collect();
    say(&format!("{} entries {what}{}", count(*carried), others.concat()));
}
