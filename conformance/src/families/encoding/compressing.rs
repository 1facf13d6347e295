//! What is compressed and what is not.

use larder_core::codec::IDENTITY;

use super::{
    body, compressing, compression, plain, plainly,
    run_length::{Misbehaviour, RunLength},
};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "encoding":
    #[needs(LargeValues)] nothing_is_compressed_unless_asked_for = "A cache without compression stores values as they are.";
    below_the_threshold_nothing_is_compressed = "Below the threshold nothing is compressed.";
    at_the_threshold_values_are_compressed = "A value of exactly the threshold's length is compressed.";
    above_the_threshold_values_are_compressed = "Above the threshold values are compressed, and come back.";
    what_does_not_shrink_is_stored_as_it_is = "What compression does not make smaller is stored as it was.";
    a_codec_that_fails_costs_nothing = "A codec that cannot compress a value does not keep it from being stored.";
    compressed_values_of_every_size_come_back = "Compressed values of every size come back, from nothing on.";
    compressing_keeps_metadata = "Compression leaves metadata and tags as they are.";
    a_bulk_write_compresses = "What is written with others is compressed as well.";
}

/// A text whose encoded form has exactly so many bytes.
async fn of_encoded_length(t: &Context, len: usize) -> Result<String, crate::failure::Failure> {
    let plain = t.cache_with("plain", plainly);
    let guess = "a".repeat(len);
    plain.set("measure", guess.as_str()).await?;
    let more = body(&plain, "measure").await?.bytes.len().saturating_sub(len);
    Ok("a".repeat(len - more))
}

async fn nothing_is_compressed_unless_asked_for(t: &Context) -> Verdict {
    let cache = plain(t);
    cache.set("k", "a".repeat(100_000)).await?;
    let body = body(&cache, "k").await?;
    same(body.codec, IDENTITY)?;
    same(body.raw_len, body.bytes.len() as u64)
}

async fn below_the_threshold_nothing_is_compressed(t: &Context) -> Verdict {
    let cache = compressing(t, 500);
    cache.set("k", of_encoded_length(t, 499).await?).await?;
    let body = body(&cache, "k").await?;
    same((body.codec, body.raw_len), (IDENTITY, 499))
}

async fn at_the_threshold_values_are_compressed(t: &Context) -> Verdict {
    let cache = compressing(t, 500);
    let text = of_encoded_length(t, 500).await?;
    cache.set("k", text.as_str()).await?;
    let body = body(&cache, "k").await?;
    same((body.codec, body.raw_len), (200, 500))?;
    same(cache.get("k").await?, Some(text.into()))
}

async fn above_the_threshold_values_are_compressed(t: &Context) -> Verdict {
    let cache = compressing(t, 500);
    let text = "a".repeat(20_000);
    cache.set("k", text.as_str()).await?;
    let body = body(&cache, "k").await?;
    same(body.codec, 200)?;
    holds(body.bytes.len() < 1000, "a body of less than 1000 bytes", &body)?;
    same(cache.get("k").await?, Some(text.into()))
}

async fn what_does_not_shrink_is_stored_as_it_is(t: &Context) -> Verdict {
    let cache = compressing(t, 0);
    let text = "abcdefgh".repeat(500);
    cache.set("k", text.as_str()).await?;
    let body = body(&cache, "k").await?;
    same(body.codec, IDENTITY)?;
    same(body.raw_len, body.bytes.len() as u64)?;
    same(cache.get("k").await?, Some(text.into()))
}

async fn a_codec_that_fails_costs_nothing(t: &Context) -> Verdict {
    let codec = RunLength::default().that(Misbehaviour::RefusesToEncode);
    let cache = t.cache_with("cache", |builder| plainly(builder).compression(Some(compression(codec, 0))));
    let text = "a".repeat(20_000);
    cache.set("k", text.as_str()).await?;
    same(body(&cache, "k").await?.codec, IDENTITY)?;
    same(cache.get("k").await?, Some(text.into()))
}

async fn compressed_values_of_every_size_come_back(t: &Context) -> Verdict {
    let cache = compressing(t, 0);
    cache.set("k", Value::Null).await?;
    same(cache.get("k").await?, Some(Value::Null))?;
    for len in [0, 1, 2, 254, 255, 256, 4096, 65_535, 65_536, 65_537, 200_000] {
        cache.set("k", "a".repeat(len)).await?;
        same(cache.get("k").await?, Some("a".repeat(len).into()))?;
    }
    Ok(())
}

async fn compressing_keeps_metadata(t: &Context) -> Verdict {
    let cache = compressing(t, 0);
    let key = larder_core::Key::new("k");
    cache.cache().at(&key).user_meta("found", "42").tag("tag").set("a".repeat(5000).into()).await?;
    let seen = cache.cache().get(&key).await?.and_then(|seen| seen.meta().user("found").cloned());
    same(seen.as_deref(), Some(&b"42"[..]))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn a_bulk_write_compresses(t: &Context) -> Verdict {
    let cache = compressing(t, 500);
    let (short, long) = (Value::from("a"), Value::from("a".repeat(100_000)));
    for written in
        cache.set_many(vec![("short".into(), short.clone()), ("long".into(), long.clone())]).await?
    {
        written?;
    }
    same(body(&cache, "short").await?.codec, IDENTITY)?;
    same(body(&cache, "long").await?.codec, 200)?;
    same(cache.get("short").await?, Some(short))?;
    same(cache.get("long").await?, Some(long))
}
