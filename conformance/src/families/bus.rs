//! Stores with a bus: whose changes are told, in which order, and what a sign of life says.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use larder_core::{
    Ttl,
    backend::{Condition, Ear, Notice, SILENCE},
    key::Namespace,
};
use tokio::time::Instant;

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    patience::soon,
    probe::Direct,
};

family! { "bus" needs [Storing, Telling]:
    the_first_notice_is_a_gap = "Whoever begins to listen receives a gap first, and nothing from before.";
    every_change_is_told = "A write, an overwrite, an add, a replacement, a touch and a removal of a key are told.";
    every_change_in_bulk_is_told = "Bulk writes, touches and removals are told for each key.";
    #[needs(CompareAndSet)] a_compare_and_set_is_told = "A write and a removal of the entry with this token are told.";
    #[needs(Sharing)] a_peers_changes_are_told = "What another process changes is told.";
    a_clear_and_a_tag_are_told = "A clear and an invalidation by tag are told as changes of the records of versions.";
    what_others_keep_is_not_told = "What happens in another namespace is not told, also of one whose name begins alike.";
    a_change_is_told_before_the_sign_of_life_behind_it = "When there is a sign of life from after a change, the change has been told.";
    signs_of_life_come_in_time = "Signs of life come again and again, within the silence that is allowed, each of a later moment and none of one to come.";
    who_listens_later_hears_as_well = "Who begins to listen while others do begins with a gap and hears what they hear.";
    who_is_gone_is_not_held = "Nobody is kept alive by listening, and others go on hearing.";
}

/// What was heard, and when the last sign of life was asked for.
#[derive(Debug, Default)]
struct Heard {
    all: Mutex<Vec<String>>,
    alive: Mutex<Vec<Instant>>,
}

const GAP: &str = "a gap";

impl Ear for Heard {
    fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(text) => lock(&self.all).push(text.to_owned()),
            Notice::Gap => lock(&self.all).push(GAP.to_owned()),
            Notice::Alive(moment) => lock(&self.alive).push(moment),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    /// Everything from before now has been heard.
    async fn everything(&self) -> Verdict {
        let now = Instant::now();
        soon("a sign of life", || async { Ok(lock(&self.alive).last().is_some_and(|alive| *alive >= now)) })
            .await
    }

    /// What was heard since the last time, each once.
    async fn take(&self) -> Result<Vec<String>, Failure> {
        self.everything().await?;
        let mut all = std::mem::take(&mut *lock(&self.all));
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// That these keys have changed, and nothing else has.
    async fn tells(&self, store: &Direct, keys: &[&str]) -> Verdict {
        let mut expected: Vec<String> = keys.iter().map(|key| store.text_of(&(*key).into())).collect();
        expected.sort();
        same(self.take().await?, expected)
    }
}

/// Listens to the case's own namespace, and has heard that it does.
async fn listen(t: &Context) -> Result<(Direct, Arc<Heard>), Failure> {
    let store = t.direct();
    let heard = Arc::new(Heard::default());
    begin(t, &heard)?;
    // It begins with an operation, of the store itself and not of a copy near it.
    store.get("missing").await?;
    same(heard.take().await?, [GAP])?;
    Ok((store, heard))
}

fn begin(t: &Context, heard: &Arc<Heard>) -> Verdict {
    let ear: Arc<dyn Ear> = Arc::clone(heard) as _;
    let (Some(bus), Ok(namespace)) = (t.backend().bus(), Namespace::new(t.namespace(), 0)) else {
        return Err(Failure::new("a bus", "none"));
    };
    t.log.add("store.bus().listen(…);".to_owned());
    bus.listen(&namespace, Arc::downgrade(&ear));
    Ok(())
}

async fn the_first_notice_is_a_gap(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", t.short() * 100).await?;
    let (_, heard) = listen(t).await?;
    heard.tells(&store, &[]).await
}

async fn every_change_is_told(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    for bytes in ["v", "w"] {
        same(store.set("k", bytes, life).await?, true)?;
        heard.tells(&store, &["k"]).await?;
    }
    same(store.set_when("new", "v", life, Condition::Absent).await?, true)?;
    heard.tells(&store, &["new"]).await?;
    same(store.set_when("new", "w", life, Condition::Present).await?, true)?;
    heard.tells(&store, &["new"]).await?;
    same(store.touch("k", life * 2).await?, true)?;
    heard.tells(&store, &["k"]).await?;
    for key in ["k", "new"] {
        same(store.delete(key).await?, true)?;
        heard.tells(&store, &[key]).await?;
    }
    Ok(())
}

async fn every_change_in_bulk_is_told(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    let options = larder_core::backend::SetOptions::new(life.into());
    let keys = ["a", "b", "c"];
    let done = store.set_many(&keys.map(|key| (key, "v", options))).await;
    same(done.into_iter().collect::<Result<Vec<_>, _>>()?, [true; 3])?;
    heard.tells(&store, &keys).await?;
    let touched = store.touch_many(&keys.map(|key| (key, Ttl::After(life * 2), Condition::Always))).await;
    same(touched.into_iter().collect::<Result<Vec<_>, _>>()?, [true; 3])?;
    heard.tells(&store, &keys).await?;
    let removed = store.delete_many(&keys).await;
    same(removed.into_iter().collect::<Result<Vec<_>, _>>()?, [true; 3])?;
    heard.tells(&store, &keys).await
}

async fn a_compare_and_set_is_told(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    store.set("k", "v", life).await?;
    heard.tells(&store, &["k"]).await?;
    let token = store.token("k").await?.ok_or_else(|| Failure::new("a token", "none"))?;
    same(store.set_when("k", "w", life, Condition::Unchanged(token)).await?, true)?;
    heard.tells(&store, &["k"]).await?;
    let token = store.token("k").await?.ok_or_else(|| Failure::new("a token", "none"))?;
    same(store.delete_when("k", Condition::Unchanged(token)).await?, true)?;
    heard.tells(&store, &["k"]).await
}

async fn a_peers_changes_are_told(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    let peer = t.direct_peer();
    same(peer.set("k", "v", life).await?, true)?;
    heard.tells(&store, &["k"]).await?;
    same(peer.touch("k", life * 2).await?, true)?;
    heard.tells(&store, &["k"]).await?;
    same(peer.delete("k").await?, true)?;
    heard.tells(&store, &["k"]).await
}

async fn a_clear_and_a_tag_are_told(t: &Context) -> Verdict {
    let (_, heard) = listen(t).await?;
    let cache = t.typed::<String>();
    let versions = format!("{}!v:", t.namespace());
    for by_tag in [false, true] {
        heard.take().await?;
        if by_tag {
            cache.invalidate_tag("t").await?;
        } else {
            cache.clear().await?;
        }
        let told = heard.take().await?;
        holds(told.iter().any(|text| text.starts_with(&versions)), "a record of versions", &told)?;
    }
    Ok(())
}

async fn what_others_keep_is_not_told(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    // Their names begin with that of the case's own.
    for other in ["x", "other"] {
        t.direct_in(other).set("k", "v", life).await?;
    }
    heard.tells(&store, &[]).await?;
    store.set("k", "v", life).await?;
    heard.tells(&store, &["k"]).await
}

async fn a_change_is_told_before_the_sign_of_life_behind_it(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    for number in 0..20 {
        let key = format!("k{number}");
        store.set(&key, "v", life).await?;
        heard.tells(&store, &[&key]).await?;
    }
    Ok(())
}

async fn signs_of_life_come_in_time(t: &Context) -> Verdict {
    let (_, heard) = listen(t).await?;
    lock(&heard.alive).clear();
    soon("ten signs of life", || async { Ok(lock(&heard.alive).len() >= 10) }).await?;
    let alive = lock(&heard.alive).clone();
    let now = Instant::now();
    holds(alive.iter().all(|moment| *moment <= now), "moments that have passed", &alive)?;
    holds(alive.is_sorted(), "moments one after the other", &alive)?;
    let mut between: Vec<Duration> = alive.windows(2).map(|two| two[1] - two[0]).collect();
    between.sort();
    // A busy machine delays one or the other.
    let half = between[between.len() / 2];
    holds(half < SILENCE, "most of them within the silence that is allowed", half)
}

async fn who_listens_later_hears_as_well(t: &Context) -> Verdict {
    let ((store, first), life) = (listen(t).await?, t.short() * 100);
    let later = Arc::new(Heard::default());
    begin(t, &later)?;
    store.get("missing").await?;
    same(later.take().await?, [GAP])?;
    first.take().await?;
    store.set("k", "v", life).await?;
    first.tells(&store, &["k"]).await?;
    later.tells(&store, &["k"]).await
}

async fn who_is_gone_is_not_held(t: &Context) -> Verdict {
    let ((store, heard), life) = (listen(t).await?, t.short() * 100);
    let other = Arc::new(Heard::default());
    begin(t, &other)?;
    store.get("missing").await?;
    other.take().await?;
    let gone = Arc::downgrade(&other);
    drop(other);
    soon("nobody who holds it", || async { Ok(Weak::strong_count(&gone) == 0) }).await?;
    heard.take().await?;
    store.set("k", "v", life).await?;
    heard.tells(&store, &["k"]).await
}
