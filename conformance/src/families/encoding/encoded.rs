//! Encoded reads: the bytes as they are stored, for those who pass them on.

use std::convert::Infallible;

use larder_core::{
    Key,
    cache::Status,
    format::{Json, Raw},
};

use super::{compressing, compression, plain, plainly, plant, run_length::RunLength};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, same},
    value::Value,
};

family! { "encoding":
    an_encoded_read_gives_the_bytes = "An encoded read gives the bytes of the value in the cache's format.";
    an_encoded_read_tells_how_to_read_it = "An encoded read says which content coding and media type the bytes have.";
    an_encoded_read_decompresses_on_request = "The bytes before compression can be had from an encoded read.";
    an_encoded_read_of_a_miss_is_none = "An encoded read of a missing, expired, deleted or cleared key is a miss.";
    an_encoded_read_passes_unknown_codecs_on = "An encoded read gives a body of an unknown codec as it is; decompressing it is refused.";
    an_encoded_load_loads_once = "An encoded read of a missing key loads it, stores it and gives its bytes; the next one hits.";
    an_encoded_read_knows_the_metadata = "An encoded read knows metadata, age and remaining life without decoding.";
    an_encoded_load_of_what_cannot_be_encoded_fails = "An encoded load of a value that cannot be encoded is a typed error, and the key can be used afterwards.";
}

async fn an_encoded_read_gives_the_bytes(t: &Context) -> Verdict {
    let cache = t.typed_with::<String>(|builder| plainly(builder).format(Json));
    let key = Key::new("k");
    cache.set(&key, "a \"quoted\" text".into()).await?;
    let seen = cache.get_encoded(&key).await?.map(|seen| seen.body().bytes.to_vec());
    same(seen, Some(br#""a \"quoted\" text""#.to_vec()))
}

async fn an_encoded_read_tells_how_to_read_it(t: &Context) -> Verdict {
    let key = Key::new("k");
    let plain = t.cache_with("plain", |builder| plainly(builder).format(Json));
    plain.set("k", "a").await?;
    let Some(seen) = plain.cache().get_encoded(&key).await? else { return Err(missing()) };
    same((seen.content_encoding(), seen.media_type()), (None, Some("application/json")))?;
    let shrunk = t.cache_with("shrunk", |builder| {
        plainly(builder).format(Json).compression(Some(compression(RunLength::default(), 0)))
    });
    shrunk.set("k", "a".repeat(1000)).await?;
    let Some(seen) = shrunk.cache().get_encoded(&key).await? else { return Err(missing()) };
    same((seen.content_encoding(), seen.media_type()), (Some("x-run-length"), Some("application/json")))
}

async fn an_encoded_read_decompresses_on_request(t: &Context) -> Verdict {
    let cache = t.typed_with::<String>(|builder| {
        plainly(builder).format(Raw).compression(Some(compression(RunLength::default(), 10)))
    });
    let key = Key::new("k");
    for text in ["short", &"long".repeat(300), &"l".repeat(3000)] {
        cache.set(&key, text.to_owned()).await?;
        let Some(seen) = cache.get_encoded(&key).await? else { return Err(missing()) };
        let bytes = seen.decompressed().map(|bytes| bytes.to_vec());
        same(bytes, Ok(text.as_bytes().to_vec()))?;
    }
    Ok(())
}

async fn an_encoded_read_of_a_miss_is_none(t: &Context) -> Verdict {
    let cache = plain(t);
    cache.set("deleted", "v").await?;
    cache.delete("deleted").await?;
    cache.set("cleared", "v").await?;
    cache.clear().await?;
    cache.set_for("expired", "v", t.short()).await?;
    t.outlive(t.short()).await;
    for key in ["missing", "deleted", "cleared", "expired"] {
        let seen = cache.cache().get_encoded(&Key::new(key)).await?;
        same((key, seen.is_none()), (key, true))?;
    }
    same(cache.cache().stats().misses, 4)
}

async fn an_encoded_read_passes_unknown_codecs_on(t: &Context) -> Verdict {
    let cache = plain(t);
    let body = larder_core::entry::Body::raw(bytes::Bytes::from_static(b"\x04a"), 0).compressed_by(203, 0, 4);
    plant(t, &cache, "k", body.clone()).await?;
    let Some(seen) = cache.cache().get_encoded(&Key::new("k")).await? else { return Err(missing()) };
    same(seen.body(), &body)?;
    same(seen.content_encoding(), None)?;
    same(seen.decompressed().is_err(), true)
}

async fn an_encoded_load_loads_once(t: &Context) -> Verdict {
    let cache = compressing(t, 0);
    let key = Key::new("k");
    let text = "a".repeat(2000);
    let load = |text: String| move || async move { Ok::<_, Infallible>(Value::from(text)) };
    let seen = cache.cache().at(&key).get_or_load_encoded(load(text.clone())).await?;
    same((seen.status(), seen.body().codec), (Status::Loaded, 200))?;
    let again = cache.cache().at(&key).get_or_load_encoded(load("other".into())).await?;
    same(again.status(), Status::Hit)?;
    same(again.body(), seen.body())?;
    same(cache.get("k").await?, Some(text.into()))
}

async fn an_encoded_read_knows_the_metadata(t: &Context) -> Verdict {
    let cache = plain(t);
    let key = Key::new("k");
    cache.cache().at(&key).ttl(t.short() * 100).user_meta("found", "42").set("v".into()).await?;
    let Some(seen) = cache.cache().get_encoded(&key).await? else { return Err(missing()) };
    same(seen.meta().user("found").map(|data| data.to_vec()), Some(b"42".to_vec()))?;
    same(seen.status(), Status::Hit)?;
    same(seen.age() < t.short() * 100, true)?;
    let left = matches!(seen.remaining(), larder_core::Ttl::After(left) if left <= t.short() * 100);
    same(left, true)
}

async fn an_encoded_load_of_what_cannot_be_encoded_fails(t: &Context) -> Verdict {
    let cache = plain(t);
    let key = Key::new("k");
    let load = |value: Value| move || async move { Ok::<_, Infallible>(value) };
    let refused = cache.cache().at(&key).get_or_load_encoded(load(Value::Unserializable)).await;
    t.note("cache.at(&key).get_or_load_encoded(/* Unserializable */).await;", &refused);
    crate::failure::fails(refused, larder_core::ErrorKind::Encode)?;
    cache.set("k", "v").await?;
    let seen = cache.cache().at(&key).get_or_load_encoded(load("other".into())).await?;
    same(seen.status(), Status::Hit)
}

fn missing() -> Failure {
    Failure::new("a hit", "a miss")
}
