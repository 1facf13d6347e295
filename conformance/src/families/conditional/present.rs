//! Writes that need a live entry, and writes of many keys under one condition each.

use larder_core::{
    Ttl,
    backend::{Condition, SetOptions},
};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
};

family! { "conditional":
    present_on_a_missing_key_writes_nothing = "A write that needs a live entry is `false` on a missing key and stores nothing.";
    present_on_a_live_key_replaces = "A write that needs a live entry replaces one that is there.";
    present_replaces_the_life = "A write that needs a live entry replaces its life as well.";
    present_after_a_delete_writes_nothing = "A write that needs a live entry is `false` after a delete.";
    present_after_the_end_of_a_life_writes_nothing = "A write that needs a live entry is `false` once that entry's life is over.";
    each_of_many_writes_has_its_own_condition = "Of many writes at once each is answered by its own condition.";
}

async fn present_on_a_missing_key_writes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.set_when("k", "v", Ttl::Never, Condition::Present).await?, false)?;
    same(store.get("k").await?, None)
}

async fn present_on_a_live_key_replaces(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Present).await?, true)?;
    same(store.get("k").await?, Some("second".into()))
}

async fn present_replaces_the_life(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("shorter", "first", Ttl::Never).await?;
    store.set("longer", "first", t.short()).await?;
    same(store.set_when("shorter", "second", t.short(), Condition::Present).await?, true)?;
    let work = || async {
        store.set("longer", "first", t.short()).await?;
        Ok(store.set_when("longer", "second", Ttl::Never, Condition::Present).await?)
    };
    same(t.within(t.short(), work).await?, true)?;
    t.outlive(t.short()).await;
    same(store.get("shorter").await?, None)?;
    same(store.get("longer").await?, Some("second".into()))
}

async fn present_after_a_delete_writes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", Ttl::Never).await?;
    store.delete("k").await?;
    same(store.set_when("k", "second", Ttl::Never, Condition::Present).await?, false)?;
    same(store.get("k").await?, None)
}

async fn present_after_the_end_of_a_life_writes_nothing(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "first", t.short()).await?;
    t.outlive(t.short()).await;
    same(store.set_when("k", "second", Ttl::Never, Condition::Present).await?, false)?;
    same(store.get("k").await?, None)
}

async fn each_of_many_writes_has_its_own_condition(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("taken", "old", Ttl::Never).await?;
    store.set("replaced", "old", Ttl::Never).await?;
    let when = |condition| SetOptions::new(Ttl::Never).when(condition);
    let written = store
        .set_many(&[
            ("free", "new", when(Condition::Absent)),
            ("taken", "new", when(Condition::Absent)),
            ("missing", "new", when(Condition::Present)),
            ("replaced", "new", when(Condition::Present)),
            ("any", "new", when(Condition::Always)),
        ])
        .await
        .into_iter()
        .collect::<larder_core::Result<Vec<bool>>>()?;
    same(written, vec![true, false, false, true, true])?;
    let found = store.get_many(&["free", "taken", "missing", "replaced", "any"]).await?;
    same(
        found,
        ["new", "old", "", "new", "new"].map(|text| Some(text.to_owned()).filter(|_| !text.is_empty())),
    )
}
