//! `larder inspect`: everything that is known about an entry, whether or not a program would use it.

use std::fmt::Write as _;

use clap::Args;
use larder::{
    Cache, Entry, Formats, Miss, Ttl,
    backend::{GetOptions, Lookup},
    cache::Encoded,
    clock::{Clock, Timestamp},
    entry::Scope,
    key::StoreKey,
    settings::Span,
};
use serde_json::{Value, json};

use super::{
    Target,
    key::pretty,
    place_of, store_of,
    value::{Shown, read, show},
    wait,
};
use crate::{
    exit::{Failure, Outcome},
    screen::{day_and_time, printable, say},
};

/// So much of a value is shown.
const SHOWN_VALUE: usize = 4096;

/// What may be said to `larder inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    target: Target,
}

/// Shows everything about a key.
pub(crate) fn run(arguments: &Inspect, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = arguments.target.open()?;
        let name = store_of(&opened.larder, &opened.name).unwrap_or_default();
        let store = opened
            .larder
            .store(&name)
            .ok_or_else(|| Failure::new(format!("the store of the cache {:?} is not known", opened.name)))?;
        let key = StoreKey::new(opened.cache.namespace(), &opened.key);
        let lookup = store.get(&key, &GetOptions::new()).await;
        let lookup = lookup.map_err(|why| opened.while_doing("reading", &why.into()))?;
        let verdict =
            read(&opened.cache, &opened.key).await.map_err(|why| opened.while_doing("reading", &why))?;
        let mut about = json!({
            "key": key.to_string(),
            "store": name,
            "place": place_of(&opened.larder, &name),
            "usable": verdict.is_ok(),
            "verdict": verdict_text(&verdict),
        });
        if let Lookup::Hit(entry) = &lookup {
            describe(&mut about, entry, &opened.cache, verdict.as_ref().err());
        }
        if let Ok(encoded) = &verdict {
            about["value"] = value(encoded)?;
        }
        say(&if as_json { pretty(&about) } else { lines(&about) });
        Ok(if verdict.is_ok() { Outcome::Done } else { Outcome::No })
    })
}

fn verdict_text(verdict: &Result<Encoded<Value>, Miss>) -> String {
    match verdict {
        Ok(encoded) => match encoded.remaining() {
            Ttl::Never => "a hit; it never ends".to_owned(),
            Ttl::After(left) => format!("a hit; fresh for {}", Span(left)),
        },
        Err(why) => format!("a miss: {why}"),
    }
}

fn describe(about: &mut Value, entry: &Entry, cache: &Cache<Value>, why: Option<&Miss>) {
    let now = Clock::system().now();
    let meta = entry.meta();
    let moment = |moment: Timestamp| {
        if moment == Timestamp::NEVER {
            return json!("never");
        }
        json!(format!("{} UTC", day_and_time(i64::try_from(moment.as_millis()).unwrap_or(i64::MAX))))
    };
    about["kind"] = json!(format!("{:?}", entry.kind()).to_lowercase());
    about["created"] = moment(meta.created);
    about["age"] = json!(Span(now.since(meta.created)).to_string());
    about["fresh_until"] = moment(meta.lifetime.fresh_until);
    about["expires"] = moment(meta.lifetime.expires);
    about["load_cost"] = json!(format!("{:?}", meta.load_cost()));
    if let Some(left) = meta.expires_in() {
        about["store_keeps_it_for"] = json!(Span(left).to_string());
    }
    let stamps: Vec<Value> = meta
        .stamps
        .iter()
        .map(|stamp| {
            let scope = match &stamp.scope {
                Scope::Namespace(level) => format!("level {level} of the namespace {}", cache.namespace()),
                Scope::Tag(tag) => format!("tag {tag}"),
                _ => "a scope that this version does not know".to_owned(),
            };
            json!({ "of": scope, "version": stamp.version })
        })
        .collect();
    about["stamps"] = json!(stamps);
    about["stamps_stand"] = json!(!matches!(why, Some(Miss::Invalidated)));
    let user: serde_json::Map<String, Value> = meta
        .all_user()
        .iter()
        .map(|(name, data)| (name.to_string(), json!(format!("{} bytes", data.len()))))
        .collect();
    about["user_metadata"] = json!(user);
    if let Some(body) = entry.encoded() {
        let format = Formats::default().by_id(body.format).map(|format| format.name().to_owned());
        about["format"] = json!(format.unwrap_or_else(|| format!("number {}", body.format)));
        about["codec"] =
            json!(if body.codec == 0 { "none".to_owned() } else { format!("number {}", body.codec) });
        about["stored_bytes"] = json!(body.bytes.len());
        about["bytes_before_compression"] = json!(body.raw_len);
    }
}

fn value(encoded: &Encoded<Value>) -> Result<Value, Failure> {
    Ok(match show(encoded)? {
        Shown::Json(value) => value,
        Shown::Bytes(bytes) => {
            let cut = &bytes[..bytes.len().min(SHOWN_VALUE)];
            json!({ "bytes": bytes.len(), "as_text": String::from_utf8_lossy(cut) })
        }
    })
}

/// `name: value` a line; the value last, on lines of its own.
fn lines(about: &Value) -> String {
    let mut out = String::new();
    for (name, value) in about.as_object().into_iter().flatten().filter(|(name, _)| *name != "value") {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        _ = writeln!(out, "{:24} {}", format!("{}:", name.replace('_', " ")), printable(&text, 400));
    }
    if let Some(value) = about.get("value") {
        let text = pretty(value);
        let shown: String =
            text.chars().take(SHOWN_VALUE).filter(|c| *c == '\n' || !c.is_control()).collect();
        _ = write!(out, "value:\n{shown}");
    }
    out.trim_end().to_owned()
}
