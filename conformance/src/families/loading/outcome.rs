//! What a load leaves in the store, and what the caller may know about it.

use std::{convert::Infallible, time::Duration};

use larder_core::{Fetched, Key, Ttl, cache::Status};

use super::{Gate, answer, ask, have_joined, value};
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Probe,
    task,
    value::Value,
};

family! { "loading":
    a_loaded_entry_has_the_default_life = "What is loaded lives for the cache's default life.";
    a_load_may_have_a_life_of_its_own = "A load may give its value a life of its own, `Never` among them.";
    a_load_may_have_metadata = "A load may put metadata beside its value.";
    the_status_says_where_the_value_came_from = "The caller may know whether the value was loaded, hit, or loaded by somebody else.";
    the_time_a_load_took_is_known = "The caller may know how long the load took, also from a later hit.";
    the_age_and_what_is_left_are_known = "The caller may know how old the value is and how long it still lives.";
    #[needs(LargeValues)] a_large_value_is_loaded = "A large value is loaded, stored and shared like any other.";
    what_cannot_be_encoded_is_returned_all_the_same = "A loaded value that cannot be encoded is returned, and the next caller is not held up.";
}

async fn a_loaded_entry_has_the_default_life(t: &Context) -> Verdict {
    let cache = t.cache_with("cache", |builder| builder.ttl(t.short() * 100));
    cache.get_or_load("k", || value("loaded")).await?;
    let left = cache.ttl("k").await?;
    let is_default =
        matches!(left, Some(Ttl::After(left)) if left <= t.short() * 100 && left > t.short() * 50);
    holds(is_default, "at most the default life, and most of it", left)
}

async fn a_load_may_have_a_life_of_its_own(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.load_as("never", Ttl::Never, &[], || value("loaded")).await?;
    same(cache.ttl("never").await?, Some(Ttl::Never))?;
    cache.load_as("long", t.short() * 1000, &[], || value("loaded")).await?;
    let left = cache.ttl("long").await?;
    let is_own = matches!(left, Some(Ttl::After(left)) if left <= t.short() * 1000 && left > t.short() * 900);
    holds(is_own, "at most its own life, and most of it", left)
}

async fn a_load_may_have_metadata(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let loaded = cache.cache().at(&key).user_meta("found", "42").get_or_load(|| value("loaded")).await?;
    same(loaded.meta().user("found").map(|data| data.to_vec()), Some(b"42".to_vec()))?;
    let hit = hit(&cache, "k").await?;
    same(hit.meta().user("found").map(|data| data.to_vec()), Some(b"42".to_vec()))
}

async fn the_status_says_where_the_value_came_from(t: &Context) -> Verdict {
    let cache = t.cache();
    let gate = Gate::new();
    let first = ask(&cache, "k", &gate, "loaded");
    gate.has_begun().await?;
    let second = ask(&cache, "k", &gate, "not called");
    have_joined(&cache, 1).await?;
    gate.open();
    same(answer(first).await?, ("loaded".into(), Status::Loaded))?;
    same(answer(second).await?, ("loaded".into(), Status::Joined))?;
    same(cache.get_or_load("k", || value("not called")).await?, ("loaded".into(), Status::Hit))?;
    same(hit(&cache, "k").await?.status(), Status::Hit)
}

async fn the_time_a_load_took_is_known(t: &Context) -> Verdict {
    let cache = t.cache();
    let took = Duration::from_millis(40);
    let slow = move || async move {
        tokio::time::sleep(took).await;
        Ok::<_, Infallible>(Value::from("loaded"))
    };
    let loaded = cache.cache().get_or_load(&Key::new("k"), slow).await?;
    t.note("cache.get_or_load(\"k\", slow).await.load_cost();", loaded.load_cost());
    holds(loaded.load_cost() >= took, "at least the 40 ms that the loader slept", loaded.load_cost())?;
    let later = hit(&cache, "k").await?.load_cost();
    t.note("cache.get(\"k\").await.load_cost();", later);
    // An envelope counts whole microseconds.
    holds(later.as_micros() == loaded.load_cost().as_micros(), "the same time from a hit", later)?;
    cache.set("k", "set").await?;
    same(hit(&cache, "k").await?.load_cost(), Duration::ZERO)
}

async fn the_age_and_what_is_left_are_known(t: &Context) -> Verdict {
    let cache = t.cache();
    let (life, passing) = (t.short() * 100, Duration::from_millis(200));
    let key = Key::new("k");
    let loaded = cache.cache().at(&key).ttl(life).get_or_load(|| value("loaded")).await?;
    holds(loaded.age() < life / 2, "an age of next to nothing", loaded.age())?;
    t.pass(passing).await;
    let later = hit(&cache, "k").await?;
    let tick = Duration::from_millis(15);
    holds(later.age() + tick >= passing, "an age of at least what has passed", later.age())?;
    let is_less = matches!(later.remaining(), Ttl::After(left) if left + passing <= life + tick);
    holds(is_less, "less left than in the beginning", later.remaining())
}

async fn a_large_value_is_loaded(t: &Context) -> Verdict {
    let cache = t.cache();
    let large = Value::from("0123456789".repeat(30_000));
    let gate = Gate::new();
    let callers: Vec<_> = (0..5)
        .map(|_| {
            let (cache, gate, large) = (cache.clone(), gate.clone(), large.clone());
            task::spawn(async move { cache.get_or_load("k", || gate.load(Ok::<_, Infallible>(large))).await })
        })
        .collect();
    gate.has_begun().await?;
    gate.open();
    for caller in callers {
        let seen = answer(caller).await?.0;
        holds(seen == large, "the large value", seen)?;
    }
    let seen = cache.get("k").await?;
    holds(seen.as_ref() == Some(&large), "the large value", seen)
}

async fn what_cannot_be_encoded_is_returned_all_the_same(t: &Context) -> Verdict {
    let cache = t.cache();
    let (seen, status) = cache.get_or_load("k", || value(Value::Unserializable)).await?;
    same(seen, Value::Unserializable)?;
    if status == Status::Loaded {
        // A store in memory holds the value itself, and need not encode it.
        same(cache.get("k").await?, Some(Value::Unserializable))?;
    } else {
        same(cache.get("k").await?, None)?;
        same(cache.get_or_load("k", || value("second")).await?, ("second".into(), Status::Loaded))?;
    }
    cache.set("k", "afterwards").await?;
    same(cache.get("k").await?, Some("afterwards".into()))
}

async fn hit(cache: &Probe, key: &str) -> Result<Fetched<Value>, Failure> {
    cache.cache().get(&Key::new(key)).await?.ok_or_else(|| Failure::new("a hit", "a miss"))
}
