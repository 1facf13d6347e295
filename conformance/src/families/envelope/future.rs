//! Envelopes of newer versions: a newer program wrote them and can read them, so they are left alone.

use std::convert::Infallible;

use larder_core::{
    Key,
    cache::Status,
    miss::{Miss, Undecodable},
};

use super::{is_stored, put, written};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Probe,
    value::Value,
};

family! { "envelope":
    #[needs(ForeignBytes)] a_future_version_is_a_miss = "An envelope of a newer version is a miss for that reason, counted.";
    #[needs(ForeignBytes)] a_future_version_survives_a_load = "An envelope of a newer version is left alone by a load: the value is returned and not stored.";
    #[needs(ForeignBytes, SeenBytes)] a_future_version_survives_reads = "An envelope of a newer version is left alone by every kind of read, by touch and by add.";
    #[needs(ForeignBytes)] a_future_version_is_overwritten_by_set = "An envelope of a newer version is overwritten by an explicit set.";
    #[needs(ForeignBytes)] a_future_version_is_removed_by_delete = "An envelope of a newer version is removed by an explicit delete.";
    #[needs(ForeignBytes)] an_add_on_a_future_version_is_refused = "An envelope of a newer version is live for those who wrote it: `add` is `false`.";
    #[needs(ForeignBytes)] a_version_of_zero_is_no_future = "A version of zero is damage, and is repaired by a load.";
}

async fn from_the_future(t: &Context, cache: &Probe) -> Result<(Key, Vec<u8>), Failure> {
    let (key, mut bytes) = written(t, cache, "v").await?;
    bytes[4] = 2;
    put(t, &key, &bytes).await;
    Ok((key, bytes))
}

const FUTURE: Miss = Miss::Undecodable(Undecodable::FutureVersion(2));

async fn a_future_version_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    from_the_future(t, &cache).await?;
    same(cache.look_up("k").await?, Err(FUTURE))?;
    same(cache.cache().stats().undecodable, 1)
}

async fn a_future_version_survives_a_load(t: &Context) -> Verdict {
    let cache = t.cache();
    from_the_future(t, &cache).await?;
    for text in ["first", "second"] {
        let load = move || async move { Ok::<_, Infallible>(Value::from(text)) };
        same(cache.get_or_load("k", load).await?, (text.into(), Status::LoadedNotStored))?;
        same(cache.look_up("k").await?, Err(FUTURE))?;
    }
    let encoded = cache
        .cache()
        .at(&Key::new("k"))
        .get_or_load_encoded(|| async { Ok::<_, Infallible>(Value::from("third")) })
        .await?;
    same(encoded.status(), Status::LoadedNotStored)?;
    same(cache.look_up("k").await?, Err(FUTURE))
}

async fn a_future_version_survives_reads(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = from_the_future(t, &cache).await?;
    cache.get("k").await?;
    cache.contains("k").await?;
    cache.ttl("k").await?;
    cache.get_many(std::slice::from_ref(&key)).await?;
    same(cache.touch("k", t.short()).await?, false)?;
    same(cache.add("k", "added").await?, false)?;
    is_stored(t, &key, &bytes).await?;
    t.outlive(t.short()).await;
    is_stored(t, &key, &bytes).await
}

async fn a_future_version_is_overwritten_by_set(t: &Context) -> Verdict {
    let cache = t.cache();
    from_the_future(t, &cache).await?;
    cache.set("k", "set").await?;
    same(cache.get("k").await?, Some("set".into()))
}

async fn a_future_version_is_removed_by_delete(t: &Context) -> Verdict {
    let cache = t.cache();
    from_the_future(t, &cache).await?;
    cache.delete("k").await?;
    same(cache.look_up("k").await?, Err(Miss::Absent))?;
    same(cache.add("k", "added").await?, true)
}

async fn an_add_on_a_future_version_is_refused(t: &Context) -> Verdict {
    let cache = t.cache();
    from_the_future(t, &cache).await?;
    same(cache.add("k", "added").await?, false)?;
    same(cache.look_up("k").await?, Err(FUTURE))
}

async fn a_version_of_zero_is_no_future(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, mut bytes) = written(t, &cache, "v").await?;
    bytes[4] = 0;
    put(t, &key, &bytes).await;
    let seen = cache.look_up("k").await?;
    holds(matches!(seen, Err(Miss::Undecodable(Undecodable::Malformed(_)))), "a malformed envelope", seen)?;
    let load = || async { Ok::<_, Infallible>(Value::from("loaded")) };
    same(cache.get_or_load("k", load).await?, ("loaded".into(), Status::Loaded))?;
    same(cache.get("k").await?, Some("loaded".into()))
}
