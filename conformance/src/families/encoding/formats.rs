//! Formats: how values become bytes.

use std::{collections::BTreeMap, convert::Infallible};

use larder_core::{
    ErrorKind, Format, Key,
    format::{Json, MessagePack, Postcard, Raw},
};
use serde::{Deserialize, Serialize};

use super::{compressing, plain, plainly};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, holds, same},
    probe::Probe,
    value::Value,
};

family! { "encoding" heavy:
    json_keeps_every_value = "Every value comes back through JSON.";
    json_keeps_floats_bit_for_bit = "Floats come back through JSON bit for bit.";
    messagepack_keeps_every_value = "Every value comes back through MessagePack, the default.";
    postcard_keeps_every_value = "Every value comes back through Postcard.";
    raw_keeps_bytes_and_text = "The raw format keeps bytes and text as they are.";
    raw_refuses_everything_else = "The raw format refuses what is neither bytes nor text; an existing entry is unchanged.";
    raw_bytes_may_be_read_as_text = "Raw bytes that are UTF-8 can be read as text; others are a miss.";
    a_new_optional_field_reads_old_entries = "Entries of a struct stay readable when it gets an optional field, in JSON and in MessagePack.";
    a_lost_field_is_a_miss = "An entry without a field that is needed is a miss with a reason, and is loaded again.";
    #[needs(LargeValues)] large_values_are_right_in_every_format = "Values large enough to be encoded on another thread come back through every format.";
    large_values_compress_right = "A large value that shrinks to nearly nothing comes back.";
}

fn written_as(t: &Context, format: impl Format) -> Probe {
    t.cache_with("cache", |builder| plainly(builder).format(format))
}

async fn keeps_every_value(cache: &Probe) -> Verdict {
    let map: BTreeMap<String, Value> =
        [("", Value::Null), ("\r\n\0", 1.into()), ("\u{1F980}", Value::Bool(false))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Signed(i64::MIN),
        Value::Unsigned(u64::MAX),
        Value::Float(-0.0),
        Value::Float(1.5e300),
        "".into(),
        "\"quoted\" \\ \0 \r\n \u{7f} \u{e9} \u{1F980} \u{202e}".into(),
        Value::Bytes((0..=255).collect()),
        Value::Bytes(vec![]),
        Value::List(vec![]),
        Value::List(vec![Value::Map(map.clone()), Value::List(vec![Value::Null; 3])]),
        Value::Map(map),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let key = Key::new("k").part(number);
        cache.set(key.clone(), value.clone()).await?;
        same(cache.get(key.clone()).await?, Some(value.clone()))?;
        let encoded = cache.cache().get_encoded(&key).await?;
        holds(encoded.is_some(), "the encoded value", &encoded)?;
    }
    Ok(())
}

async fn json_keeps_every_value(t: &Context) -> Verdict {
    keeps_every_value(&written_as(t, Json)).await
}

async fn json_keeps_floats_bit_for_bit(t: &Context) -> Verdict {
    let cache = written_as(t, Json);
    let floats = [
        0.1 + 0.2,
        1e23,
        9_007_199_254_740_993.0,
        5e-324,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::EPSILON,
        0.000_001_234_567_890_123_456_7,
        123_456_789.012_345_67,
        2.225_073_858_507_201e-308,
        8.5e-300 / 3.0,
        -1.0 / 3.0,
    ];
    for float in floats {
        cache.set("k", Value::Float(float)).await?;
        same(cache.get("k").await?, Some(Value::Float(float)))?;
    }
    Ok(())
}

async fn messagepack_keeps_every_value(t: &Context) -> Verdict {
    keeps_every_value(&written_as(t, MessagePack)).await
}

async fn postcard_keeps_every_value(t: &Context) -> Verdict {
    keeps_every_value(&written_as(t, Postcard)).await
}

async fn raw_keeps_bytes_and_text(t: &Context) -> Verdict {
    let (bytes, texts) = (
        t.typed_with::<Vec<u8>>(|builder| plainly(builder).format(Raw)),
        t.typed_with::<String>(|builder| plainly(builder).format(Raw)),
    );
    let key = Key::new("k");
    for value in [vec![], vec![0], (0..=255).collect::<Vec<u8>>(), b"LRD\x1a".to_vec()] {
        bytes.set(&key, value.clone()).await?;
        same(bytes.get(&key).await?.map(|seen| seen.to_vec()), Some(value.clone()))?;
        same(bytes.get_encoded(&key).await?.map(|seen| seen.body().bytes.to_vec()), Some(value))?;
    }
    for value in ["", "text", "\r\n\0\u{1F980}"] {
        texts.set(&key, value.to_owned()).await?;
        same(texts.get(&key).await?.map(|seen| seen.to_string()), Some(value.to_owned()))?;
        let encoded = texts.get_encoded(&key).await?.map(|seen| seen.body().bytes.to_vec());
        same(encoded, Some(value.as_bytes().to_vec()))?;
    }
    Ok(())
}

async fn raw_refuses_everything_else(t: &Context) -> Verdict {
    let (raw, usual) = (written_as(t, Raw), plain(t));
    usual.set("k", "old").await?;
    match raw.set("k", 7).await {
        // A store in memory holds the value itself, and need not encode it.
        Ok(()) => same(raw.get("k").await?, Some(7.into())),
        refused => {
            fails(refused, ErrorKind::Encode)?;
            same(usual.get("k").await?, Some("old".into()))
        }
    }
}

async fn raw_bytes_may_be_read_as_text(t: &Context) -> Verdict {
    let (bytes, texts) = (
        t.typed_with::<Vec<u8>>(|builder| plainly(builder).format(Raw)),
        t.typed_with::<String>(|builder| plainly(builder).format(Raw)),
    );
    let key = Key::new("k");
    bytes.set(&key, "\u{e9}".as_bytes().to_vec()).await?;
    same(texts.get(&key).await?.map(|seen| seen.to_string()), Some("\u{e9}".to_owned()))?;
    bytes.set(&key, vec![0xff, 0xfe]).await?;
    same(texts.get(&key).await?.map(|seen| seen.to_string()), None)?;
    same(texts.stats().undecodable, 1)?;
    same(bytes.get(&key).await?.map(|seen| seen.to_vec()), Some(vec![0xff, 0xfe]))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Old {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct New {
    #[serde(default)]
    note: Option<String>,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Needing {
    name: String,
    count: u64,
}

async fn a_new_optional_field_reads_old_entries(t: &Context) -> Verdict {
    let key = Key::new("k");
    let new = t.typed_with::<New>(plainly);
    let (json, messagepack) = (
        t.typed_with::<Old>(|builder| plainly(builder).format(Json)),
        t.typed_with::<Old>(|builder| plainly(builder).format(MessagePack)),
    );
    for old in [json, messagepack] {
        old.set(&key, Old { name: "Ada".into() }).await?;
        let seen = new.get(&key).await?.map(|seen| New::clone(&seen));
        same(seen, Some(New { note: None, name: "Ada".into() }))?;
        new.set(&key, New { note: Some("new".into()), name: "Ada".into() }).await?;
        same(old.get(&key).await?.map(|seen| Old::clone(&seen)), Some(Old { name: "Ada".into() }))?;
    }
    Ok(())
}

async fn a_lost_field_is_a_miss(t: &Context) -> Verdict {
    let key = Key::new("k");
    let (old, needing) = (t.typed_with::<Old>(plainly), t.typed_with::<Needing>(plainly));
    old.set(&key, Old { name: "Ada".into() }).await?;
    same(needing.get(&key).await?.map(|seen| Needing::clone(&seen)), None)?;
    same(needing.stats().undecodable, 1)?;
    let whole = Needing { name: "Ada".into(), count: 1 };
    let loaded = whole.clone();
    let seen = needing.get_or_load(&key, || async { Ok::<_, Infallible>(loaded) }).await?;
    same(Needing::clone(&seen), whole.clone())?;
    same(needing.get(&key).await?.map(|seen| Needing::clone(&seen)), Some(whole))
}

async fn large_values_are_right_in_every_format(t: &Context) -> Verdict {
    let large = Value::List((0..40_000_u32).map(|number| format!("{number:x} ").into()).collect());
    for (name, cache) in [
        ("json", written_as(t, Json)),
        ("msgpack", written_as(t, MessagePack)),
        ("postcard", written_as(t, Postcard)),
    ] {
        cache.set(name, large.clone()).await?;
        let seen = cache.get(name).await?;
        holds(seen.as_ref() == Some(&large), &format!("the value through {name}"), seen)?;
    }
    Ok(())
}

async fn large_values_compress_right(t: &Context) -> Verdict {
    let cache = compressing(t, 1024);
    let zeros = Value::from("0".repeat(4_000_000));
    cache.set("k", zeros.clone()).await?;
    let seen = cache.get("k").await?;
    holds(seen.as_ref() == Some(&zeros), "four million zeros", seen)?;
    let body = super::body(&cache, "k").await?;
    holds(body.bytes.len() < 40_000 && body.raw_len > 4_000_000, "a body of less than 40 000 bytes", body)
}
