//! Values at and over what the store takes. Limits are in bytes of the whole envelope.

use larder_core::{ErrorKind, Key, Ttl, backend::Condition, envelope::Envelope, key::StoreKey};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, holds, same},
    large::incompressible,
    probe::Direct,
    value::Value,
};

family! { "limits" heavy:
    #[needs(KnownLimit)] exactly_the_largest_value_is_stored = "An envelope of exactly the largest size that the store names is stored.";
    #[needs(KnownLimit)] a_byte_more_is_stored_or_too_large = "A value over the limit is stored or `TooLarge`, never silently dropped.";
    #[needs(KnownLimit)] too_large_removes_the_old_value = "A value too large for the store is `TooLarge`, and the old value is gone: serving it would be a lie.";
    #[needs(KnownLimit)] too_large_in_bulk_fails_alone = "Of many writes one that is too large fails alone, and its old value is gone.";
    #[needs(KnownLimit)] too_large_to_add_leaves_the_old_value = "A conditional write that fails leaves the old value: an add that is too large.";
    #[needs(KnownLimit)] too_large_to_replace_leaves_the_old_value = "A conditional write that fails leaves the old value: a replacement that is too large.";
    #[needs(KnownLimit, CompareAndSet)] too_large_to_compare_leaves_the_old_value = "A conditional write that fails leaves the old value: a compare-and-set that is too large.";
    #[needs(KnownLimit)] too_large_to_load_is_returned = "A loaded value that is too large for the store is returned all the same.";
    #[needs(KnownLimit)] after_too_large_the_store_goes_on = "After a value that was too large the same connection reads and writes on.";
}

async fn exactly_the_largest_value_is_stored(t: &Context) -> Verdict {
    let store = t.direct();
    let text = exactly(t, &store).await?;
    same(store.set("k", text.clone(), Ttl::Never).await?, true)?;
    same(store.get("k").await?.map(|seen| seen == text), Some(true))
}

async fn a_byte_more_is_stored_or_too_large(t: &Context) -> Verdict {
    let store = t.direct();
    let mut text = exactly(t, &store).await?;
    for _ in 0..3 {
        text.push('x');
        match store.set("k", text.clone(), Ttl::Never).await {
            Ok(written) => {
                same(written, true)?;
                same(store.get("k").await?.map(|seen| seen == text), Some(true))?;
            }
            refused => {
                fails(refused, ErrorKind::TooLarge)?;
                same(store.get("k").await?, None)?;
            }
        }
    }
    Ok(())
}

async fn too_large_removes_the_old_value(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    cache.set("k", "old").await?;
    fails(cache.set("k", too_large(t).await).await, ErrorKind::TooLarge)?;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.add("k", "new").await?, true)?;
    same(store.set("direct", "old", Ttl::Never).await?, true)?;
    fails(store.set("direct", too_much(t).await, Ttl::Never).await, ErrorKind::TooLarge)?;
    same(store.get("direct").await?, None)
}

async fn too_large_in_bulk_fails_alone(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = ["a", "b", "c"].map(Key::from).into();
    for key in &keys {
        cache.set(key.clone(), "old").await?;
    }
    let values = [Value::from("new"), too_large(t).await, Value::from("new")];
    let mut written = cache.set_many(keys.iter().cloned().zip(values).collect()).await?;
    fails(written.remove(1), ErrorKind::TooLarge)?;
    holds(written.iter().all(Result::is_ok), "the two others are written", &written)?;
    let seen: Vec<_> = cache.get_many(&keys).await?.into_iter().collect::<Result<_, _>>()?;
    same(seen, vec![Some("new".into()), None, Some("new".into())])
}

async fn too_large_to_add_leaves_the_old_value(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    match cache.add("k", too_large(t).await).await {
        Ok(written) => same(written, false)?,
        refused => fails(refused, ErrorKind::TooLarge)?,
    }
    same(cache.get("k").await?, Some("old".into()))?;
    fails(cache.add("free", too_large(t).await).await, ErrorKind::TooLarge)?;
    same(cache.get("free").await?, None)
}

async fn too_large_to_replace_leaves_the_old_value(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "old", Ttl::Never).await?;
    let refused = store.set_when("k", too_much(t).await, Ttl::Never, Condition::Present).await;
    fails(refused, ErrorKind::TooLarge)?;
    same(store.get("k").await?, Some("old".into()))
}

async fn too_large_to_compare_leaves_the_old_value(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "old", Ttl::Never).await?;
    let Some(token) = store.token("k").await? else { return Err(Failure::new("a hit", "a miss")) };
    let refused = store.set_when("k", too_much(t).await, Ttl::Never, Condition::Unchanged(token)).await;
    fails(refused, ErrorKind::TooLarge)?;
    same(store.get("k").await?, Some("old".into()))?;
    same(store.set_when("k", "new", Ttl::Never, Condition::Unchanged(token)).await?, true)
}

async fn too_large_to_load_is_returned(t: &Context) -> Verdict {
    let cache = t.cache();
    let large = too_large(t).await;
    let expected = large.clone();
    let (seen, _) = cache.get_or_load("k", || async { Ok::<_, std::convert::Infallible>(large) }).await?;
    same(seen == expected, true)?;
    same(cache.get("k").await?, None)
}

async fn after_too_large_the_store_goes_on(t: &Context) -> Verdict {
    let cache = t.cache();
    for round in 0..5_i64 {
        cache.set("before", round).await?;
        fails(cache.set("k", too_large(t).await).await, ErrorKind::TooLarge)?;
        same(cache.get("before").await?, Some(round.into()))?;
        cache.set("after", round).await?;
        same(cache.get("after").await?, Some(round.into()))?;
    }
    Ok(())
}

/// The longest text whose envelope under "k" the store takes.
async fn exactly(t: &Context, store: &Direct) -> Result<String, Failure> {
    let key = Key::new("k");
    let empty = store.entry("", Ttl::Never);
    let around = Envelope::write(&StoreKey::new(store.namespace(), &key), &empty).await?.len();
    Ok("x".repeat(limit(t).saturating_sub(around)))
}

/// Well over the limit, also when it is compressed.
async fn too_much(t: &Context) -> String {
    incompressible(limit(t) * 3 / 2 + 64 * 1024).await
}

async fn too_large(t: &Context) -> Value {
    Value::from(too_much(t).await)
}

fn limit(t: &Context) -> usize {
    let max = t.capabilities().max_value.unwrap_or(u64::MAX);
    usize::try_from(max).unwrap_or(usize::MAX / 2)
}
