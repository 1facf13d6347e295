//! What a clear does to its own namespace.

use std::convert::Infallible;

use larder_core::{Key, Ttl, cache::Status, miss::Miss};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "namespaces":
    clear_empties_the_namespace = "After a clear every key of the namespace is a miss.";
    every_read_sees_a_clear = "After a clear every kind of read finds nothing, and a touch does not bring anything back.";
    a_cleared_key_says_why = "A miss has a reason: what a clear removed is superseded, or absent.";
    clear_of_an_empty_namespace_succeeds = "Clearing a namespace that has no entries succeeds, however often.";
    clear_kills_what_lives_for_ever = "A clear kills entries of every life, tagged or not.";
    after_a_clear_the_namespace_works = "After a clear the namespace is used as before: set, get, add, touch, ttl, delete.";
    after_a_clear_a_load_runs = "After a clear what was there is loaded again, and stored.";
    what_is_written_after_a_clear_stays = "What is written after a clear is a hit, also within the same tick of the clock.";
    each_clear_kills_what_was_written_before = "Of several clears in a row each kills everything that was written before it.";
    #[needs(InProcess)] a_cleared_entry_is_not_there_to_delete = "`delete` is `false` for an entry that a clear had killed: it is no live one.";
    #[needs(InjectedClock)] a_clear_is_not_forgotten = "What a clear killed stays dead, however much time passes.";
    #[needs(InjectedClock)] an_entry_outlives_the_memory_of_its_namespace = "An entry that lives long is still there after weeks in which nobody wrote.";
}

async fn clear_empties_the_namespace(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..50_u32).map(|number| Key::new("k").part(number)).collect();
    for key in &keys {
        cache.set(key.clone(), "v").await?;
    }
    cache.clear().await?;
    for key in keys {
        same(cache.get(key).await?, None)?;
    }
    Ok(())
}

async fn every_read_sees_a_clear(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set("k", "v").await?;
    cache.clear().await?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.cache().get_encoded(&key).await?.is_none(), true)?;
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.get_many(&[key]).await?.into_iter().collect::<Result<Vec<_>, _>>()?, [None])?;
    same(cache.get("k").await?, None)
}

async fn a_cleared_key_says_why(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    cache.clear().await?;
    let seen = cache.look_up("k").await?;
    holds(matches!(seen, Err(Miss::Invalidated | Miss::Absent)), "invalidated or absent", seen)?;
    same(cache.look_up("never written").await?, Err(Miss::Absent))
}

async fn clear_of_an_empty_namespace_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.clear().await?;
    cache.clear().await?;
    same(cache.get("k").await?, None)?;
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn clear_kills_what_lives_for_ever(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_for("never", "v", Ttl::Never).await?;
    cache.set_for("short", "v", t.short()).await?;
    cache.set_tagged("tagged", "v", &["tag"]).await?;
    cache.set("touched", "v").await?;
    cache.touch("touched", Ttl::Never).await?;
    cache.clear().await?;
    for key in ["never", "short", "tagged", "touched"] {
        same(cache.get(key).await?, None)?;
    }
    Ok(())
}

async fn after_a_clear_the_namespace_works(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    cache.clear().await?;
    cache.set("k", "new").await?;
    same(cache.get("k").await?, Some("new".into()))?;
    same(cache.contains("k").await?, true)?;
    same(cache.add("k", "newer").await?, false)?;
    same(cache.touch("k", Ttl::Never).await?, true)?;
    same(cache.ttl("k").await?, Some(Ttl::Never))?;
    same(cache.delete("k").await?, true)?;
    same(cache.add("k", "added").await?, true)?;
    same(cache.get("k").await?, Some("added".into()))
}

async fn after_a_clear_a_load_runs(t: &Context) -> Verdict {
    let cache = t.cache();
    let load = |text: &'static str| move || async move { Ok::<_, Infallible>(Value::from(text)) };
    same(cache.get_or_load("k", load("first")).await?, ("first".into(), Status::Loaded))?;
    cache.clear().await?;
    same(cache.get_or_load("k", load("second")).await?, ("second".into(), Status::Loaded))?;
    same(cache.get_or_load("k", load("third")).await?, ("second".into(), Status::Hit))
}

async fn what_is_written_after_a_clear_stays(t: &Context) -> Verdict {
    let cache = t.cache();
    for number in 0..20_i64 {
        cache.clear().await?;
        same(cache.get("k").await?, None)?;
        cache.set("k", number).await?;
        same(cache.get("k").await?, Some(number.into()))?;
    }
    Ok(())
}

async fn each_clear_kills_what_was_written_before(t: &Context) -> Verdict {
    let cache = t.cache();
    for round in 0..10_u32 {
        let key = Key::new("k").part(round);
        cache.set(key.clone(), "v").await?;
        cache.clear().await?;
        cache.clear().await?;
        for earlier in 0..=round {
            same(cache.get(Key::new("k").part(earlier)).await?, None)?;
        }
    }
    Ok(())
}

async fn a_cleared_entry_is_not_there_to_delete(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("one", "v").await?;
    cache.set("many", "v").await?;
    cache.clear().await?;
    same(cache.delete("one").await?, false)?;
    let removed = cache.delete_many(&["many".into()]).await?;
    same(removed.into_iter().collect::<Result<Vec<_>, _>>()?, [false])
}

async fn a_clear_is_not_forgotten(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    cache.set_for("k", "v", Ttl::Never).await?;
    cache.clear().await?;
    for _ in 0..40 {
        t.pass(std::time::Duration::from_hours(240)).await;
        same(cache.get("k").await?, None)?;
        cache.set("another", "v").await?;
    }
    Ok(())
}

async fn an_entry_outlives_the_memory_of_its_namespace(t: &Context) -> Verdict {
    let day = std::time::Duration::from_hours(24);
    let cache = t.prompt("cache");
    cache.set("something", "short").await?;
    cache.set_for("k", "v", 60 * day).await?;
    cache.set_for("never", "v", Ttl::Never).await?;
    for _ in 0..5 {
        t.pass(10 * day).await;
        same(cache.get("k").await?, Some("v".into()))?;
        same(cache.get("never").await?, Some("v".into()))?;
    }
    Ok(())
}
