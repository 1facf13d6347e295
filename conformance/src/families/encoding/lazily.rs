//! Nothing is encoded or decoded that need not be, and nothing twice.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use larder_core::{
    Format, Key, Result,
    format::{MessagePack, Visit},
    miss::Undecodable,
};

use super::{
    super::loading::{Gate, have_joined},
    compression, plainly,
    run_length::RunLength,
};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Probe,
    task,
    value::Value,
};

family! { "encoding":
    a_miss_decodes_nothing = "Nothing is decoded for a miss.";
    a_dead_entry_is_not_decoded = "An entry that is expired or invalidated is not decoded.";
    contains_ttl_and_touch_decode_nothing = "`contains`, `ttl`, `touch` and `delete` decode nothing.";
    a_value_is_encoded_at_most_once = "A value is encoded and compressed at most once for one write.";
    a_hit_is_decoded_at_most_once = "A hit is decoded at most once.";
    a_load_is_not_decoded = "What was loaded is returned as it is, and not decoded, to all who waited.";
    a_format_of_ones_own_works = "A format of the program's own, under an id of its own, is written and read.";
}

/// MessagePack under an id of the suite's own, counting.
#[derive(Debug, Clone, Default)]
struct Counting {
    encoded: Arc<AtomicUsize>,
    decoded: Arc<AtomicUsize>,
}

impl Counting {
    fn counts(&self) -> (usize, usize) {
        (self.encoded.load(Ordering::SeqCst), self.decoded.load(Ordering::SeqCst))
    }
}

impl Format for Counting {
    fn id(&self) -> u8 {
        201
    }

    fn name(&self) -> &'static str {
        "counting"
    }

    fn media_type(&self) -> &'static str {
        "application/x-counting"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        self.encoded.fetch_add(1, Ordering::SeqCst);
        MessagePack.encode(value)
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        self.decoded.fetch_add(1, Ordering::SeqCst);
        MessagePack.decode(bytes, visit)
    }
}

fn counting(t: &Context) -> (Probe, Counting) {
    let format = Counting::default();
    let cache = t.cache_with("cache", |builder| plainly(builder).format(format.clone()));
    (cache, format)
}

async fn a_miss_decodes_nothing(t: &Context) -> Verdict {
    let (cache, format) = counting(t);
    cache.get("k").await?;
    cache.get_many(&["a".into(), "b".into()]).await?;
    same(format.counts(), (0, 0))
}

async fn a_dead_entry_is_not_decoded(t: &Context) -> Verdict {
    let (cache, format) = counting(t);
    cache.set_tagged("tagged", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    cache.set("cleared", "v").await?;
    cache.clear().await?;
    cache.set_for("expired", "v", t.short()).await?;
    t.outlive(t.short()).await;
    for key in ["tagged", "cleared", "expired"] {
        same(cache.get(key).await?, None)?;
    }
    cache.get_many(&["tagged", "cleared", "expired"].map(Key::from)).await?;
    same(format.counts().1, 0)
}

async fn contains_ttl_and_touch_decode_nothing(t: &Context) -> Verdict {
    let (cache, format) = counting(t);
    cache.set("k", "v").await?;
    cache.contains("k").await?;
    cache.ttl("k").await?;
    cache.touch("k", t.short() * 100).await?;
    cache.add("k", "w").await?;
    cache.delete("k").await?;
    same(format.counts().1, 0)
}

async fn a_value_is_encoded_at_most_once(t: &Context) -> Verdict {
    let (format, codec) = (Counting::default(), RunLength::default());
    let cache = t.cache_with("cache", |builder| {
        plainly(builder).format(format.clone()).compression(Some(compression(codec.clone(), 100)))
    });
    cache.set_tagged("k", "a".repeat(100_000), &["a", "b"]).await?;
    cache.set_many(vec![("l".into(), "b".repeat(500).into())]).await?;
    let load = || async { Ok::<_, Infallible>(Value::from("c".repeat(500))) };
    cache.get_or_load("m", load).await?;
    let encoded = (format.counts().0, codec.encoded());
    holds(encoded.0 <= 3 && encoded.1 <= 3, "three writes, at most three encodings and compressions", encoded)
}

async fn a_hit_is_decoded_at_most_once(t: &Context) -> Verdict {
    let (cache, format) = counting(t);
    cache.set("k", "v").await?;
    for _ in 0..5 {
        same(cache.get("k").await?, Some("v".into()))?;
    }
    let decoded = format.counts().1;
    holds(decoded <= 5, "five hits, at most five decodings", decoded)?;
    let before = format.counts().1;
    cache.get_many(&["k", "k", "k"].map(Key::from)).await?;
    let decoded = format.counts().1 - before;
    holds(decoded <= 1, "one key three times, at most one decoding", decoded)
}

async fn a_load_is_not_decoded(t: &Context) -> Verdict {
    let (cache, format) = counting(t);
    let gate = Gate::new();
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            let load = || gate.load(Ok::<_, Infallible>(Value::from("loaded")));
            task::spawn(async move { cache.get_or_load("k", load).await })
        })
        .collect();
    have_joined(&cache, 9).await?;
    gate.open();
    for caller in callers {
        let seen = caller.await.map_err(|panic| Failure::new("an answer", panic))??;
        same(seen.0, "loaded".into())?;
    }
    same(format.counts().1, 0)
}

async fn a_format_of_ones_own_works(t: &Context) -> Verdict {
    let (cache, _) = counting(t);
    let value = Value::List(vec!["a".into(), Value::Null, 7.into()]);
    cache.set("k", value.clone()).await?;
    same(cache.get("k").await?, Some(value))?;
    let body = super::body(&cache, "k").await?;
    same((body.format, body.codec), (201, 0))
}
