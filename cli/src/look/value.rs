//! A value of a cache for people, whatever its type is in the program.

use bytes::Bytes;
use larder::{Cache, Formats, Key, Miss, cache::Encoded, cache::Found, format};
use serde_json::Value;

use crate::exit::Failure;

/// A value as it can be shown.
#[derive(Debug)]
pub(crate) enum Shown {
    /// Of a format that says what is in it.
    Json(Value),
    /// Anything else: the bytes before compression.
    Bytes(Bytes),
}

/// What is under a key.
pub(crate) async fn read(cache: &Cache<Value>, key: &Key) -> Result<Result<Encoded<Value>, Miss>, Failure> {
    if let Some(encoded) = cache.get_encoded(key).await? {
        return Ok(Ok(encoded));
    }
    // Without decoding, there is no reason; with it, there is one.
    Ok(Err(match cache.look_up(key).await? {
        Found::Miss(why) => why,
        Found::Hit(_) => Miss::Absent,
    }))
}

/// Decodes a value as far as that is possible without its type.
pub(crate) fn show(encoded: &Encoded<Value>) -> Result<Shown, Failure> {
    let bytes = encoded
        .decompressed()
        .map_err(|why| Failure::new(format!("the value cannot be decompressed: {why}")))?;
    let formats = Formats::default();
    let decoded = formats
        .by_id(encoded.body().format)
        .and_then(|format| format::decode::<Value>(&**format, &bytes).ok());
    Ok(decoded.map_or(Shown::Bytes(bytes), Shown::Json))
}
