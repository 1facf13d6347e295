//! Loads that wait for each other, by way of turns, of bulk loads and of namespaces above.

use std::{convert::Infallible, time::Duration};

use larder_core::{ErrorKind, Key, cache::Policy};

use super::{Gate, answer, ask, value};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    patience::patiently,
    task,
    value::Value,
};

family! { "loading":
    a_nested_load_joins_one_that_waits_for_its_turn = "At the limit, a loader may wait for a key whose load was begun from outside and waits for a turn.";
    a_bulk_loader_that_waits_for_its_own_key_is_an_error = "A loader of several keys that waits for one of them is an error, not a deadlock.";
    a_loader_that_asks_for_many_and_itself_is_an_error = "A loader that asks for several keys, its own among them, is told so for that key.";
    #[needs(InProcess)] after_a_parents_clear_a_new_load_begins = "A caller who comes after a clear of the namespace above is not given the value of a load that began before it.";
}

async fn a_nested_load_joins_one_that_waits_for_its_turn(t: &Context) -> Verdict {
    let cache =
        t.cache_with("cache", |builder| builder.policy(Policy::new(Duration::from_mins(10)).max_loads(1)));
    let nested = |span: Duration| {
        let cache = cache.clone();
        async move {
            cache.cache().delete_many(&["inner".into(), "outer".into()]).await?;
            let (gate, inner) = (Gate::new(), cache.clone());
            let load = {
                let gate = gate.clone();
                || async move {
                    let Ok(_) = gate.load(Ok::<_, Infallible>(Value::Null)).await;
                    inner.get_or_load("inner", || value("by the outer one")).await.map(|(value, _)| value)
                }
            };
            let asked = cache.clone();
            let outer = task::spawn(async move { asked.get_or_load("outer", load).await });
            gate.has_begun().await?;
            let outside = ask(&cache, "inner", &Gate::opened(), "inner");
            // It finds nothing and waits for a turn, which the outer one has. Nothing tells when it has come to that.
            tokio::time::sleep(span).await;
            gate.open();
            same(answer(outer).await?.0, "inner".into())?;
            same(answer(outside).await?.0, "inner".into())
        }
    };
    t.undisturbed(Duration::from_millis(80), nested).await
}

async fn a_bulk_loader_that_waits_for_its_own_key_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    let (inner, keys) = (cache.clone(), [Key::from("j"), Key::from("k")]);
    let load = |_: Vec<Key>| async move {
        let (value, _) = inner.get_or_load("k", || value("?")).await?;
        Ok::<_, larder_core::Error>([(Key::from("k"), value)])
    };
    for answer in patiently("an answer", cache.cache().get_or_load_many(&keys, load)).await?? {
        fails(answer.map(|_| ()), ErrorKind::Load)?;
    }
    Ok(())
}

async fn a_loader_that_asks_for_many_and_itself_is_an_error(t: &Context) -> Verdict {
    let cache = t.cache();
    let inner = cache.clone();
    let load = || async move {
        let keys = [Key::from("j"), Key::from("k")];
        let made = |missing: Vec<Key>| async move {
            Ok::<_, Infallible>(missing.into_iter().map(|key| (key, Value::from("made"))).collect::<Vec<_>>())
        };
        let answers = inner.cache().get_or_load_many(&keys, made).await?;
        let own = answers.last().map(|answer| answer.as_ref().map(|_| ()).map_err(larder_core::Error::kind));
        let other = answers.value(0).is_some();
        Ok::<_, larder_core::Error>(Value::from(format!("{other} {own:?}")))
    };
    let (seen, _) = patiently("an answer", cache.get_or_load("k", load)).await??;
    same(seen, Value::from(format!("true {:?}", Some(Err::<(), _>(ErrorKind::Recursion)))))
}

async fn after_a_parents_clear_a_new_load_begins(t: &Context) -> Verdict {
    let (parent, child) = (t.cache_in("shop"), t.cache_in("shop/users"));
    let (old, new) = (Gate::new(), Gate::opened());
    let first = ask(&child, "k", &old, "old");
    old.has_begun().await?;
    t.note("// a load of \"k\" has begun", ());
    parent.clear().await?;
    let second = ask(&child, "k", &new, "new");
    tokio::time::sleep(Duration::from_millis(30)).await;
    old.open();
    same(answer(first).await?.0, "old".into())?;
    same(answer(second).await?.0, "new".into())
}
