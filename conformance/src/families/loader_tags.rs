//! Tags that a loader names: they hold as if the call had named them before the loader began.

use std::{convert::Infallible, time::Duration};

use larder_core::{
    Key, Result,
    cache::{Fetched, Loaded, Status},
};
use tokio::task::JoinHandle;

use super::loading::Gate;
use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, fails, same},
    patience::patiently,
    probe::Probe,
    task,
    value::Value,
};

family! { "tags":
    a_loaders_tag_is_a_tag = "An entry is invalidated by a tag that only its loader has named.";
    a_loaders_tags_add_to_the_calls = "Tags of the call and of the loader hold both.";
    another_tag_leaves_a_loaders_entry_alone = "Invalidating a tag that neither named leaves the entry.";
    a_tag_invalidated_before_the_loader_names_it_wins = "A tag's invalidation during a load wins, also if the loader names the tag only afterwards.";
    a_tag_invalidated_before_the_load_does_not = "A tag that was invalidated before the load began does not keep it from being stored.";
    a_tag_invalidated_elsewhere_before_the_loader_names_it_wins = "The same holds when another cache has invalidated it.";
    a_loaders_tag_is_checked = "A tag of a loader that is empty is an error, and nothing is stored.";
    #[needs(Sharing)] a_loaders_tag_is_invalidated_by_another_process = "An entry is invalidated by another process by a tag that only its loader has named.";
    #[needs(Sharing)] a_tag_that_another_process_invalidates_first_wins = "A tag's invalidation by another process during a load wins, also if the loader names the tag only afterwards.";
}

type Caller = JoinHandle<Result<Fetched<Value>>>;

/// Begins a load of "k" under "call", whose loader names "loader" when the gate opens.
fn load(cache: &Probe, gate: &Gate) -> Caller {
    let (cache, gate) = (cache.clone(), gate.clone());
    task::spawn(async move {
        let key = Key::from("k");
        let at = cache.cache().at(&key).ttl(Duration::from_mins(10)).tag("call");
        at.get_or_load_with(|_| async move {
            let Ok(value) = gate.load(Ok::<Value, Infallible>("old".into())).await;
            Ok::<_, Infallible>(Loaded::new(value).tag("loader").tag("call"))
        })
        .await
    })
}

async fn status(caller: Caller) -> Result<Status, Failure> {
    let ended = patiently("an answer", caller).await?;
    Ok(ended.map_err(|panic| Failure::new("an answer", panic))??.status())
}

/// Loads "k", and invalidates a tag afterwards: what is "k" then?
async fn afterwards(t: &Context, tag: &str) -> Result<Option<Value>, Failure> {
    let cache = t.cache();
    same(status(load(&cache, &Gate::opened())).await?, Status::Loaded)?;
    t.note("// \"k\" was loaded under \"call\" and, by its loader, \"loader\"", ());
    cache.invalidate_tag(tag).await?;
    Ok(cache.get("k").await?)
}

async fn a_loaders_tag_is_a_tag(t: &Context) -> Verdict {
    same(afterwards(t, "loader").await?, None)
}

async fn a_loaders_tags_add_to_the_calls(t: &Context) -> Verdict {
    same(afterwards(t, "call").await?, None)
}

async fn another_tag_leaves_a_loaders_entry_alone(t: &Context) -> Verdict {
    same(afterwards(t, "another").await?, Some("old".into()))
}

/// Begins a load, invalidates "loader" through this cache, ends the load: what is "k" then?
async fn meanwhile(t: &Context, cache: &Probe, other: &Probe) -> Verdict {
    let gate = Gate::new();
    let caller = load(cache, &gate);
    gate.has_begun().await?;
    t.note("// a load of \"k\" has begun", ());
    other.invalidate_tag("loader").await?;
    gate.open();
    same(status(caller).await?, Status::LoadedNotStored)?;
    t.note("// it has ended, and named the tag \"loader\"", ());
    same(cache.get("k").await?, None)?;
    same(other.get("k").await?, None)
}

async fn a_tag_invalidated_before_the_loader_names_it_wins(t: &Context) -> Verdict {
    let cache = t.cache();
    meanwhile(t, &cache, &cache).await
}

async fn a_tag_invalidated_elsewhere_before_the_loader_names_it_wins(t: &Context) -> Verdict {
    meanwhile(t, &t.prompt("here"), &t.prompt("there")).await
}

async fn a_tag_that_another_process_invalidates_first_wins(t: &Context) -> Verdict {
    meanwhile(t, &t.prompt("here"), &t.peer(|builder| builder.invalidation_lag(Duration::ZERO))).await
}

async fn a_tag_invalidated_before_the_load_does_not(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    for _ in 0..3 {
        cache.invalidate_tag("loader").await?;
        same(status(load(&cache, &Gate::opened())).await?, Status::Loaded)?;
        same(cache.get("k").await?, Some("old".into()))?;
        cache.delete("k").await?;
    }
    Ok(())
}

async fn a_loaders_tag_is_checked(t: &Context) -> Verdict {
    let (cache, key) = (t.cache(), Key::from("k"));
    let wrong = cache
        .cache()
        .at(&key)
        .get_or_load_with(|_| async { Ok::<_, Infallible>(Loaded::new(Value::from("v")).tag("")) });
    fails(wrong.await.map(|fetched| fetched.status()), larder_core::ErrorKind::InvalidKey)?;
    same(cache.get("k").await?, None)
}

async fn a_loaders_tag_is_invalidated_by_another_process(t: &Context) -> Verdict {
    let cache = t.prompt("cache");
    same(status(load(&cache, &Gate::opened())).await?, Status::Loaded)?;
    t.peer(|builder| builder).invalidate_tag("loader").await?;
    same(cache.get("k").await?, None)
}
