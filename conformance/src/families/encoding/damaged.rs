//! Bodies that cannot be read: each is a miss with a reason, and is repaired by a load.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use larder_core::{
    Codecs, Key,
    entry::Body,
    miss::{Miss, Undecodable},
};

use super::{
    body, compression, plain, plainly, plant,
    run_length::{Misbehaviour, RunLength},
};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    probe::Probe,
    value::Value,
};

family! { "encoding":
    an_unknown_codec_is_a_miss = "A body of a codec that is not known is a miss with that reason, counted.";
    an_unknown_format_is_a_miss = "A body of a format that is not known is a miss with that reason, counted.";
    an_unknown_dictionary_is_a_miss = "A body of a dictionary that is not loaded is a miss with that reason, counted.";
    a_body_that_does_not_decompress_is_a_miss = "A body that its codec cannot decompress is a miss with that reason, counted.";
    a_body_that_does_not_deserialize_is_a_miss = "A body that its format cannot read is a miss with that reason, counted.";
    a_body_with_more_behind_it_is_a_miss = "A body that goes on after the value is a miss.";
    an_empty_body_is_a_miss = "A body without bytes is a miss.";
    a_wrong_length_is_a_miss = "A body whose declared length is not its own is a miss.";
    decompression_is_bounded = "A body that says it is larger than the cache allows is a miss, and nothing is decompressed.";
    a_declared_length_allocates_nothing = "A declared length of 2^63 bytes is a miss, and nothing is allocated.";
    a_codec_that_gives_too_little_is_found_out = "A codec that gives another length than was declared is found out: a miss.";
    what_cannot_be_read_is_loaded_and_overwritten = "What cannot be read is loaded, and overwritten with what was loaded.";
    what_cannot_be_read_can_be_replaced = "What cannot be read is overwritten by a set and removed by a delete.";
    one_unreadable_member_fails_alone = "In `get_many` an entry that cannot be read is a miss, its neighbours are hits.";
}

fn of_bytes(bytes: impl Into<Bytes>) -> Body {
    Body::raw(bytes.into(), 2)
}

fn with_codec(codec: u8, bytes: &'static [u8], raw_len: u64) -> Body {
    of_bytes(bytes).compressed_by(codec, 0, raw_len)
}

/// This body is a counted miss whose reason is so named, and not an error.
async fn is_a_miss(t: &Context, cache: &Probe, body: Body, reason: &str) -> Verdict {
    plant(t, cache, "k", body).await?;
    let before = cache.cache().stats();
    match cache.look_up("k").await? {
        Err(Miss::Undecodable(why)) => same(why.as_str(), reason)?,
        other => holds(false, &format!("a miss because of \"{reason}\""), other)?,
    }
    let after = cache.cache().stats();
    same((after.undecodable, after.misses), (before.undecodable + 1, before.misses + 1))?;
    same(after.errors, before.errors)
}

async fn an_unknown_codec_is_a_miss(t: &Context) -> Verdict {
    is_a_miss(t, &plain(t), with_codec(203, b"\x04a", 4), "unknown_codec").await
}

async fn an_unknown_format_is_a_miss(t: &Context) -> Verdict {
    is_a_miss(t, &plain(t), of_bytes("\u{1}").with_format(203), "unknown_format").await
}

async fn an_unknown_dictionary_is_a_miss(t: &Context) -> Verdict {
    let known = RunLength::default().with_dictionary(7);
    let cache = t.cache_with("cache", |builder| plainly(builder).compression(Some(compression(known, 100))));
    cache.set("k", "a".repeat(5000)).await?;
    same(body(&cache, "k").await?.dictionary, 7)?;
    same(cache.get("k").await?, Some("a".repeat(5000).into()))?;
    is_a_miss(t, &cache, with_codec(200, b"\x04a", 4).compressed_by(200, 8, 4), "unknown_dictionary").await
}

async fn a_body_that_does_not_decompress_is_a_miss(t: &Context) -> Verdict {
    let codecs = Codecs::new().with(Arc::new(RunLength::default()));
    let cache = t.cache_with("cache", |builder| plainly(builder).codecs(codecs));
    is_a_miss(t, &cache, with_codec(200, b"\x04a\x01", 4), "codec").await?;
    is_a_miss(t, &cache, with_codec(200, b"\x04a", 5), "codec").await?;
    let refusing = Codecs::new().with(Arc::new(RunLength::default().that(Misbehaviour::RefusesToDecode)));
    let cache = t.cache_with("refusing", |builder| plainly(builder).codecs(refusing));
    is_a_miss(t, &cache, with_codec(200, b"\x04a", 4), "codec").await
}

async fn a_body_that_does_not_deserialize_is_a_miss(t: &Context) -> Verdict {
    let cache = plain(t);
    for bytes in [&b"\xc1"[..], b"not a value", b"\xdf\xff\xff\xff\xff", &[0x81; 5000]] {
        is_a_miss(t, &cache, of_bytes(bytes), "format").await?;
    }
    is_a_miss(t, &cache, of_bytes("{\"Text\": ").with_format(1), "format").await?;
    is_a_miss(t, &cache, of_bytes(vec![0xff; 20]).with_format(3), "format").await
}

async fn a_body_with_more_behind_it_is_a_miss(t: &Context) -> Verdict {
    let cache = plain(t);
    for format in 1..=3 {
        let json = "{\"Text\":\"v\"} 1";
        let bytes = match format {
            1 => json.as_bytes().to_vec(),
            2 => b"\x81\xa4Text\xa1v\x00".to_vec(),
            _ => b"\x05\x01v\x00".to_vec(),
        };
        is_a_miss(t, &cache, of_bytes(bytes).with_format(format), "format").await?;
    }
    Ok(())
}

async fn an_empty_body_is_a_miss(t: &Context) -> Verdict {
    let cache = plain(t);
    for format in 1..=3 {
        is_a_miss(t, &cache, of_bytes("").with_format(format), "format").await?;
    }
    Ok(())
}

async fn a_wrong_length_is_a_miss(t: &Context) -> Verdict {
    let cache = plain(t);
    for raw_len in [0, 1, 100] {
        is_a_miss(t, &cache, of_bytes("\u{1}\u{2}").compressed_by(0, 0, raw_len), "malformed").await?;
    }
    Ok(())
}

async fn decompression_is_bounded(t: &Context) -> Verdict {
    let codec = RunLength::default();
    let decoded = codec.clone();
    let codecs = Codecs::new().with(Arc::new(codec));
    let cache = t.cache_with("cache", |builder| plainly(builder).codecs(codecs).max_value(1000));
    is_a_miss(t, &cache, with_codec(200, b"\xffa\xffa\xffa\xffa", 1020), "declared_too_large").await?;
    is_a_miss(t, &cache, of_bytes(vec![1; 1001]), "declared_too_large").await?;
    same(decoded.decoded(), 0)
}

async fn a_declared_length_allocates_nothing(t: &Context) -> Verdict {
    let codecs = Codecs::new().with(Arc::new(RunLength::default()));
    let cache = t.cache_with("cache", |builder| plainly(builder).codecs(codecs));
    for raw_len in [1 << 63, u64::MAX, 1 << 40] {
        is_a_miss(t, &cache, with_codec(200, b"\x04a", raw_len), "declared_too_large").await?;
        is_a_miss(t, &cache, with_codec(0, b"\x04a", raw_len), "declared_too_large").await?;
    }
    Ok(())
}

async fn a_codec_that_gives_too_little_is_found_out(t: &Context) -> Verdict {
    let codecs = Codecs::new().with(Arc::new(RunLength::default().that(Misbehaviour::DecodesTooLittle)));
    let cache = t.cache_with("cache", |builder| plainly(builder).codecs(codecs));
    is_a_miss(t, &cache, with_codec(200, b"\x04a", 4), "codec").await
}

async fn what_cannot_be_read_is_loaded_and_overwritten(t: &Context) -> Verdict {
    let cache = plain(t);
    for body in [with_codec(203, b"\x04a", 4), of_bytes("a").with_format(203), of_bytes("not a value")] {
        plant(t, &cache, "k", body).await?;
        let seen = cache.get_or_load("k", || async { Ok::<_, Infallible>(Value::from("loaded")) }).await?;
        same(seen.0, "loaded".into())?;
        same(cache.get("k").await?, Some("loaded".into()))?;
    }
    Ok(())
}

async fn what_cannot_be_read_can_be_replaced(t: &Context) -> Verdict {
    let cache = plain(t);
    plant(t, &cache, "set", of_bytes("not a value")).await?;
    cache.set("set", "new").await?;
    same(cache.get("set").await?, Some("new".into()))?;
    plant(t, &cache, "deleted", of_bytes("not a value")).await?;
    cache.delete("deleted").await?;
    same(cache.look_up("deleted").await?, Err(Miss::Absent))?;
    same(cache.add("deleted", "new").await?, true)
}

async fn one_unreadable_member_fails_alone(t: &Context) -> Verdict {
    let cache = plain(t);
    cache.set("a", "v").await?;
    plant(t, &cache, "b", with_codec(203, b"\x04a", 4)).await?;
    cache.set("c", "w").await?;
    let seen = cache.get_many(&["a", "b", "c"].map(Key::from)).await?;
    same(seen.into_iter().collect::<Result<Vec<_>, _>>()?, [Some("v".into()), None, Some("w".into())])?;
    let why = cache.look_up("b").await?;
    same(why, Err(Miss::Undecodable(Undecodable::UnknownCodec(203))))
}
