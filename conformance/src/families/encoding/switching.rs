//! Codec and format are a matter of writing: both can be changed on a live cache.

use std::sync::Arc;

use larder_core::{
    Codecs, Key,
    format::{Json, Postcard},
};

use super::{body, compressing, compression, plain, plainly, run_length::RunLength};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    value::Value,
};

family! { "encoding":
    entries_stay_readable_under_another_codec = "Entries written with one codec are readable after switching to another that also knows the first.";
    entries_stay_readable_without_compression = "Entries that were compressed are readable after compression was switched off.";
    uncompressed_entries_stay_readable = "Entries that were not compressed are readable after compression was switched on.";
    entries_stay_readable_under_another_format = "Entries written in one format are readable after switching to another.";
    an_overwrite_uses_the_new_encoding = "An entry that is overwritten after a switch is in the new format and codec.";
    a_touch_after_a_switch_keeps_the_bytes = "An entry that is touched after a switch stays readable.";
    #[needs(Sharing)] two_processes_may_write_differently = "Two processes with different formats and codecs read each other's entries.";
}

fn long() -> Value {
    Value::from("a".repeat(5000))
}

async fn entries_stay_readable_under_another_codec(t: &Context) -> Verdict {
    compressing(t, 0).set("k", long()).await?;
    let known = Codecs::new().with(Arc::new(RunLength::default()));
    let other = RunLength::default().with_id(201);
    let later = t.cache_with("later", |builder| {
        plainly(builder).codecs(known).compression(Some(compression(other, 0)))
    });
    same(later.get("k").await?, Some(long()))?;
    same(body(&later, "k").await?.codec, 200)?;
    later.set("new", long()).await?;
    same(body(&later, "new").await?.codec, 201)?;
    same(later.get("new").await?, Some(long()))
}

async fn entries_stay_readable_without_compression(t: &Context) -> Verdict {
    compressing(t, 0).set("k", long()).await?;
    let known = Codecs::new().with(Arc::new(RunLength::default()));
    let later = t.cache_with("later", |builder| plainly(builder).codecs(known).compression(None));
    same(later.get("k").await?, Some(long()))?;
    later.set("new", long()).await?;
    same(body(&later, "new").await?.codec, 0)
}

async fn uncompressed_entries_stay_readable(t: &Context) -> Verdict {
    plain(t).set("k", long()).await?;
    let later = compressing(t, 0);
    same(later.get("k").await?, Some(long()))?;
    same(body(&later, "k").await?.codec, 0)
}

async fn entries_stay_readable_under_another_format(t: &Context) -> Verdict {
    let (json, postcard) = (
        t.cache_with("json", |builder| plainly(builder).format(Json)),
        t.cache_with("postcard", |builder| plainly(builder).format(Postcard)),
    );
    json.set("json", long()).await?;
    postcard.set("postcard", long()).await?;
    plain(t).set("messagepack", long()).await?;
    for cache in [json, postcard, plain(t)] {
        for key in ["json", "postcard", "messagepack"] {
            same(cache.get(key).await?, Some(long()))?;
        }
    }
    Ok(())
}

async fn an_overwrite_uses_the_new_encoding(t: &Context) -> Verdict {
    let json = t.cache_with("json", |builder| plainly(builder).format(Json));
    json.set("k", long()).await?;
    same(body(&json, "k").await?.format, 1)?;
    let later = compressing(t, 0);
    later.set("k", long()).await?;
    let body = body(&later, "k").await?;
    same((body.format, body.codec), (2, 200))
}

async fn a_touch_after_a_switch_keeps_the_bytes(t: &Context) -> Verdict {
    compressing(t, 0).set("k", long()).await?;
    let known = Codecs::new().with(Arc::new(RunLength::default()));
    let later = t.cache_with("later", |builder| plainly(builder).format(Json).codecs(known));
    same(later.touch("k", t.short() * 100).await?, true)?;
    let body = body(&later, "k").await?;
    same((body.format, body.codec), (2, 200))?;
    same(later.get("k").await?, Some(long()))
}

async fn two_processes_may_write_differently(t: &Context) -> Verdict {
    let known = Codecs::new().with(Arc::new(RunLength::default()));
    let mine = t.cache_with("cache", |builder| plainly(builder).format(Json).codecs(known));
    let theirs = t.peer(|builder| plainly(builder).compression(Some(compression(RunLength::default(), 100))));
    mine.set(Key::new("mine"), long()).await?;
    theirs.set(Key::new("theirs"), long()).await?;
    same(theirs.get("mine").await?, Some(long()))?;
    same(mine.get("theirs").await?, Some(long()))?;
    mine.set("theirs", "overwritten").await?;
    same(theirs.get("theirs").await?, Some("overwritten".into()))
}
