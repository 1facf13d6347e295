//! `larder get`, `set`, `delete`, `ttl`, `expire` and `touch`: one key, as a program would do it.

use std::io::Read as _;

use clap::Args;
use larder::{Ttl, settings::Span};
use serde_json::{Value, json};

use super::{
    Opened, Target, place_of, store_of,
    value::{Shown, read, show},
    wait,
};
use crate::{
    exit::{Failure, Outcome},
    screen::{say, warn, write_bytes},
};

/// Values on standard input may have so many bytes.
const MAX_INPUT: u64 = 64 << 20;

/// What may be said to `larder get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(flatten)]
    target: Target,
    /// Writes the bytes as they were before compression, and nothing else.
    #[arg(long)]
    raw: bool,
}

/// What may be said to `larder set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    target: Target,
    /// The value as JSON; - reads it from standard input.
    #[arg(value_name = "JSON")]
    value: String,
    /// Its TTL, instead of the cache's.
    #[arg(long, value_name = "SPAN")]
    ttl: Option<Span>,
    /// A tag.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

/// What may be said to `larder touch`.
#[derive(Debug, Args)]
pub(crate) struct Touch {
    #[command(flatten)]
    target: Target,
    /// The new TTL, from now on.
    #[arg(long, value_name = "SPAN")]
    ttl: Span,
}

/// Shows the value of a key.
pub(crate) fn get(arguments: &Get, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = arguments.target.open()?;
        let found =
            read(&opened.cache, &opened.key).await.map_err(|why| opened.while_doing("reading", &why))?;
        let encoded = match found {
            Ok(encoded) => encoded,
            Err(why) => {
                warn(&format!("{}: {why}", opened.key));
                if as_json {
                    let key = opened.key.to_string();
                    say(&pretty(&json!({ "key": key, "found": false, "why": why.to_string() })));
                }
                return Ok(Outcome::No);
            }
        };
        if arguments.raw {
            let bytes = encoded.decompressed().map_err(|why| Failure::new(why.to_string()))?;
            write_bytes(&bytes)?;
            return Ok(Outcome::Done);
        }
        match show(&encoded)? {
            shown if as_json => {
                let value = match shown {
                    Shown::Json(value) => value,
                    Shown::Bytes(bytes) => {
                        json!({ "bytes": bytes.len(), "as_text": String::from_utf8_lossy(&bytes) })
                    }
                };
                let key = opened.key.to_string();
                say(&pretty(&json!({ "key": key, "found": true, "value": value })));
            }
            Shown::Json(value) => say(&pretty(&value)),
            Shown::Bytes(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => say(text),
                _ => {
                    warn(&format!(
                        "the value is {} bytes that no format describes ({}); --raw writes them",
                        bytes.len(),
                        encoded.media_type().unwrap_or("of an unknown format")
                    ));
                }
            },
        }
        Ok(Outcome::Done)
    })
}

/// Writes a value.
pub(crate) fn set(arguments: &Set, as_json: bool) -> Result<Outcome, Failure> {
    let text = if arguments.value == "-" { standard_input()? } else { arguments.value.clone() };
    wait(async {
        let opened = arguments.target.open::<Value>()?;
        let format = opened.format();
        if !matches!(format.as_str(), "json" | "msgpack") {
            return Err(Failure::new(format!(
                "the cache {:?} has the format {format:?}, which needs the program's own type to write a value; delete the key and let \
                 the program load it",
                opened.name
            )));
        }
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            Failure::new(format!("the value is not JSON: {error}; a text is '\"in quotes\"'"))
        })?;
        let mut call = opened.cache.at(&opened.key).tags(arguments.tag.iter().map(String::as_str));
        if let Some(ttl) = arguments.ttl {
            call = call.ttl(ttl.get());
        }
        call.set(value).await.map_err(|why| opened.while_doing("writing", &why.into()))?;
        if as_json {
            say(&pretty(&json!({ "key": opened.key.to_string(), "written": true })));
        }
        Ok(Outcome::Done)
    })
}

/// Removes a key.
pub(crate) fn delete(target: &Target, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = target.open::<Value>()?;
        let was_there = opened
            .cache
            .delete(&opened.key)
            .await
            .map_err(|why| opened.while_doing("deleting", &why.into()))?;
        Ok(opened.was_there(was_there, as_json))
    })
}

/// Makes a key stale.
pub(crate) fn expire(target: &Target, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = target.open::<Value>()?;
        let was_there = opened
            .cache
            .expire(&opened.key)
            .await
            .map_err(|why| opened.while_doing("expiring", &why.into()))?;
        Ok(opened.was_there(was_there, as_json))
    })
}

/// Gives a key another TTL.
pub(crate) fn touch(arguments: &Touch, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = arguments.target.open::<Value>()?;
        let touched = opened.cache.touch(&opened.key, arguments.ttl.get()).await;
        let was_there = touched.map_err(|why| opened.while_doing("touching", &why.into()))?;
        Ok(opened.was_there(was_there, as_json))
    })
}

/// Says how long a key is still fresh.
pub(crate) fn ttl(target: &Target, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let opened = target.open::<Value>()?;
        let ttl =
            opened.cache.ttl(&opened.key).await.map_err(|why| opened.while_doing("reading", &why.into()))?;
        match ttl {
            Some(ttl) if as_json => {
                let left = match ttl {
                    Ttl::Never => Value::Null,
                    Ttl::After(left) => json!(left.as_secs_f64()),
                };
                say(&pretty(&json!({ "key": opened.key.to_string(), "found": true, "fresh_seconds": left })));
            }
            None => return Ok(opened.was_there(false, as_json)),
            Some(Ttl::Never) => say("never ends"),
            Some(Ttl::After(left)) => say(&Span(left).to_string()),
        }
        Ok(Outcome::Done)
    })
}

impl<T: larder::cache::Value> Opened<T> {
    /// The name of the format in which the cache writes.
    fn format(&self) -> String {
        format_of(&self.larder, &self.name)
    }

    /// What was tried, where, and why it failed.
    pub(super) fn while_doing(&self, what: &str, why: &Failure) -> Failure {
        let store = store_of(&self.larder, &self.name).unwrap_or_default();
        Failure::new(format!(
            "{what} {}:{} in the store {store:?} ({}): {why}",
            self.cache.namespace(),
            self.key,
            place_of(&self.larder, &store)
        ))
    }

    fn was_there(&self, was_there: bool, as_json: bool) -> Outcome {
        if as_json {
            say(&pretty(&json!({ "key": self.key.to_string(), "found": was_there })));
        }
        if was_there {
            Outcome::Done
        } else {
            warn(&format!("{}: there is no usable entry", self.key));
            Outcome::No
        }
    }
}

/// The name of the format in which a cache writes.
pub(super) fn format_of(larder: &larder::Larder, cache: &str) -> String {
    let settings = larder.explain();
    let setting = settings.get(&format!("caches.{cache}.format")).or_else(|| settings.get("defaults.format"));
    setting.map_or_else(String::new, |setting| setting.value.trim_matches('"').to_owned())
}

/// A value as JSON on several lines.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_INPUT + 1).read_to_string(&mut text);
    let read =
        read.map_err(|error| Failure::new(format!("standard input could not be read as text: {error}")))?;
    if read as u64 > MAX_INPUT {
        return Err(Failure::new(
            "standard input has more than 64 MiB, which is more than a value may have here",
        ));
    }
    Ok(text)
}
