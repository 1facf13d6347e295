//! What an entry may have: the call says so, whatever the store and whatever is there, and what is allowed comes back whole.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use larder_core::{
    ErrorKind, Key, Result,
    cache::{CallBuilder, Fetched, Loaded},
};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    probe::Probe,
    value::Value,
};

family! { "limits":
    metadata_beyond_a_limit_is_refused_by_every_write = "Metadata that is too much, too long or named like Larder's own is `Encode`, and the existing entry is unchanged: set, add, replace.";
    tags_beyond_a_limit_are_refused_by_every_write = "A tag that is empty or too long, and too many tags, are `InvalidKey`, and the existing entry is unchanged: set, add, replace.";
    #[needs(CompareAndSet)] what_is_beyond_a_limit_is_refused_by_compare_and_set = "The same holds for compare-and-set.";
    what_is_beyond_a_limit_is_refused_by_a_load_whatever_is_there = "A load that asks for what is beyond a limit is refused, whether there is a value or not.";
    what_is_beyond_a_limit_is_refused_of_a_loader = "A loader's tags and metadata beyond a limit are an error, and nothing is stored: a value, a negative answer, and one that is not stored.";
    a_life_of_zero_excuses_nothing = "What is beyond a limit is refused also where nothing would be written, as with a TTL of zero.";
    tags_beyond_a_limit_cannot_be_invalidated = "Invalidating or expiring a tag that no entry can have is `InvalidKey`.";
    as_much_as_is_allowed_comes_back = "63 KiB of tags and metadata beside a value come back whole.";
}

type Beyond = (Vec<Arc<str>>, Vec<(Arc<str>, Bytes)>);

fn piece(name: &str, len: usize) -> (Arc<str>, Bytes) {
    (name.into(), vec![0x5a; len].into())
}

fn metadata() -> [Beyond; 5] {
    [
        vec![piece("a", 63 * 1024)],
        vec![piece("a", 60_000), piece("b", 60_000)],
        (0..256).map(|number| piece(&number.to_string(), 1)).collect(),
        vec![piece(&"n".repeat(256), 1)],
        vec![piece("larder.mine", 1)],
    ]
    .map(|pieces| (Vec::new(), pieces))
}

fn tags() -> [Beyond; 3] {
    let many = (0..65).map(|number| number.to_string().into()).collect();
    [vec!["".into()], vec!["t".repeat(256).into()], many].map(|tags| (tags, Vec::new()))
}

/// Everything that is beyond a limit, with the kind of error that it is.
fn all() -> Vec<(ErrorKind, Beyond)> {
    let metadata = metadata().map(|beyond| (ErrorKind::Encode, beyond));
    metadata.into_iter().chain(tags().map(|beyond| (ErrorKind::InvalidKey, beyond))).collect()
}

fn at<'a>(cache: &'a Probe, key: &'a Key, (tags, pieces): Beyond) -> CallBuilder<'a, Value> {
    let at = cache.cache().at(key).tags(tags);
    pieces.into_iter().fold(at, |at, (name, data)| at.user_meta(name, data))
}

fn of_loader(loaded: Loaded<Value>, (tags, pieces): Beyond) -> Loaded<Value> {
    let loaded = tags.into_iter().fold(loaded, Loaded::tag);
    pieces.into_iter().fold(loaded, |loaded, (name, data)| loaded.user_meta(name, data))
}

fn status(fetched: Result<Fetched<Value>>) -> Result<larder_core::cache::Status> {
    fetched.map(|fetched| fetched.status())
}

async fn every_write_refuses(t: &Context, kind: ErrorKind, beyond: &[Beyond]) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    for beyond in beyond {
        for key in [Key::new("k"), Key::new("absent")] {
            fails(at(&cache, &key, beyond.clone()).set("new".into()).await, kind)?;
            fails(at(&cache, &key, beyond.clone()).add("new".into()).await, kind)?;
            fails(at(&cache, &key, beyond.clone()).replace("new".into()).await, kind)?;
        }
    }
    same(cache.get("k").await?, Some("old".into()))?;
    same(cache.get("absent").await?, None)
}

async fn metadata_beyond_a_limit_is_refused_by_every_write(t: &Context) -> Verdict {
    every_write_refuses(t, ErrorKind::Encode, &metadata()).await
}

async fn tags_beyond_a_limit_are_refused_by_every_write(t: &Context) -> Verdict {
    every_write_refuses(t, ErrorKind::InvalidKey, &tags()).await
}

async fn what_is_beyond_a_limit_is_refused_by_compare_and_set(t: &Context) -> Verdict {
    let (cache, key) = (t.cache(), Key::new("k"));
    cache.set("k", "old").await?;
    let Some(fetched) = cache.cache().get(&key).await? else { return same(None, Some(Value::from("old"))) };
    for (kind, beyond) in all() {
        fails(at(&cache, &key, beyond).compare_and_set(&fetched, "new".into()).await, kind)?;
    }
    same(cache.get("k").await?, Some("old".into()))
}

async fn what_is_beyond_a_limit_is_refused_by_a_load_whatever_is_there(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    for (kind, beyond) in all() {
        for key in [Key::new("k"), Key::new("absent")] {
            let load = || async { Ok::<Value, Infallible>("new".into()) };
            fails(status(at(&cache, &key, beyond.clone()).get_or_load(load).await), kind)?;
        }
    }
    same(cache.get("absent").await?, None)
}

async fn what_is_beyond_a_limit_is_refused_of_a_loader(t: &Context) -> Verdict {
    let (cache, key) = (t.cache(), Key::new("k"));
    for (kind, beyond) in all() {
        for loaded in [Loaded::new("v".into()), Loaded::negative("v".into()), Loaded::not_stored("v".into())]
        {
            let loaded = of_loader(loaded, beyond.clone());
            let load = |_| async { Ok::<_, Infallible>(loaded) };
            fails(status(cache.cache().at(&key).get_or_load_with(load).await), kind)?;
            same(cache.get("k").await?, None)?;
        }
    }
    // The call's and the loader's count together.
    let loaded = Loaded::new(Value::from("v")).user_meta("b", vec![0; 40_000]);
    let load = |_| async { Ok::<_, Infallible>(loaded) };
    let loaded = cache.cache().at(&key).user_meta("a", vec![0; 40_000]).get_or_load_with(load).await;
    fails(status(loaded), ErrorKind::Encode)?;
    same(cache.get("k").await?, None)
}

async fn a_life_of_zero_excuses_nothing(t: &Context) -> Verdict {
    let (cache, key) = (t.cache(), Key::new("k"));
    cache.set("k", "old").await?;
    for (kind, beyond) in all() {
        fails(at(&cache, &key, beyond).ttl(std::time::Duration::ZERO).set("new".into()).await, kind)?;
    }
    same(cache.get("k").await?, Some("old".into()))
}

async fn tags_beyond_a_limit_cannot_be_invalidated(t: &Context) -> Verdict {
    let cache = t.cache();
    for tag in ["", &"t".repeat(256)] {
        fails(cache.cache().invalidate_tag(tag).await, ErrorKind::InvalidKey)?;
        fails(cache.cache().expire_tag(tag).await, ErrorKind::InvalidKey)?;
    }
    Ok(())
}

async fn as_much_as_is_allowed_comes_back(t: &Context) -> Verdict {
    let (cache, key) = (t.cache(), Key::new("k".repeat(1000)));
    let tags: Vec<Arc<str>> = (0..64).map(|number| format!("{number:>255}").into()).collect();
    // Each tag counts ten bytes beside its own, and each piece three.
    let room = 63 * 1024 - 64 * (255 + 10);
    let data: Vec<u8> = (0..=255).cycle().take(room - 3 - "data".len()).collect();
    cache.cache().at(&key).tags(tags.clone()).user_meta("data", data.clone()).set("v".into()).await?;
    t.note(
        "cache.at(&key).tags(64 of 255 bytes).user_meta(\"data\", the rest of 63 KiB).set(\"v\").await;",
        (),
    );
    let seen =
        cache.cache().get(&key).await?.map(|found| found.meta().user("data").map(|data| data.to_vec()));
    same(seen, Some(Some(data)))?;
    cache.invalidate_tag(&tags[63]).await?;
    same(cache.cache().get(&key).await?.map(|found| found.status()), None)
}
