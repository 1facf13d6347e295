//! Two chains in front of one store, as two processes have them, and what they hear of each other.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use larder_core::backend::{Ear, Notice, SILENCE};
use tokio::time::Instant;

use super::{LISTENING, LONG, Process, STEADY, ended, outside};
use crate::{
    between::{Act, Calls},
    case::family,
    context::Context,
    failure::{Failure, Verdict, same},
    gate::Gate,
    patience::soon,
    stacks::NearCopies,
};

family! { "chain" needs [Storing, Chained]:
    without_a_bus_others_are_seen_after_a_while = "Without a bus another process's changes are seen when copies that nobody has vouched for end, and not only when their entries do.";
    #[needs(Telling)] with_a_bus_others_are_seen_with_the_notice = "With a bus another process's change is seen as soon as its notice has come, for as long as entries live.";
    #[needs(Telling)] a_read_that_a_notice_has_overtaken_leaves_no_copy = "A read that was on its way when the notice of a change came leaves no older copy.";
    #[needs(Telling)] a_gap_ends_every_copy = "A gap on the bus ends every copy from before, and those of reads that were on their way.";
    #[needs(Telling)] copies_are_not_trusted_while_the_bus_is_silent = "When the bus has been silent for too long no copy is served that nobody has vouched for.";
}

/// Somebody who listens to a chain.
#[derive(Debug, Default)]
struct Listener {
    changed: Mutex<Vec<String>>,
    alive: Mutex<Option<Instant>>,
}

impl Ear for Listener {
    fn hear(&self, notice: Notice<'_>) {
        match notice {
            Notice::Changed(text) => lock(&self.changed).push(text.to_owned()),
            Notice::Alive(moment) => *lock(&self.alive) = Some(moment),
            _ => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listener {
    /// It listens to this chain, whose bus is alive.
    async fn begin(t: &Context, process: &Process) -> Result<Arc<Self>, Failure> {
        let listener = Arc::new(Self::default());
        let ear: Arc<dyn Ear> = Arc::clone(&listener) as _;
        let Some(bus) = process.backend.bus() else { return Err(Failure::new("a bus", "none")) };
        t.log.add("chain.bus().listen(…);".to_owned());
        bus.listen(process.store.namespace(), Arc::downgrade(&ear));
        // It begins with an operation of the store itself.
        process.far_get("missing").await?;
        listener.everything().await?;
        Ok(listener)
    }

    /// Whatever has happened before now has been heard.
    async fn everything(&self) -> Verdict {
        let now = Instant::now();
        soon("a sign of life", || async { Ok(lock(&self.alive).is_some_and(|alive| alive >= now)) }).await
    }
}

async fn without_a_bus_others_are_seen_after_a_while(t: &Context) -> Verdict {
    let while_unheard = t.short();
    let copies = NearCopies { ttl: None, ttl_without_bus: while_unheard, listens: false };
    let (one, other) = (Process::new(t, "one", copies), Process::new(t, "other", copies));
    other.store.set("k", "old", LONG).await?;
    one.has("k", "old").await?;
    other.store.set("k", "new", LONG).await?;
    t.pass(while_unheard + Duration::from_millis(60)).await;
    one.has("k", "new").await?;
    other.store.delete("k").await?;
    t.pass(while_unheard + Duration::from_millis(60)).await;
    one.lacks("k").await
}

async fn with_a_bus_others_are_seen_with_the_notice(t: &Context) -> Verdict {
    let (one, other) = (Process::new(t, "one", LISTENING), Process::new(t, "other", STEADY));
    let heard = Listener::begin(t, &one).await?;
    for (key, is_delete) in [("written", false), ("removed", true)] {
        other.store.set(key, "old", LONG).await?;
        heard.everything().await?;
        one.has(key, "old").await?;
        one.has_near(key, "old").await?;
        let expected = if is_delete {
            other.store.delete(key).await?;
            None
        } else {
            other.store.set(key, "new", LONG).await?;
            Some("new")
        };
        heard.everything().await?;
        for _ in 0..2 {
            same(one.store.get(key).await?.as_deref(), expected)?;
        }
    }
    let told = lock(&heard.changed).clone();
    same(["written", "removed"].map(|key| told.contains(&one.text(key))), [true, true])
}

async fn a_read_that_a_notice_has_overtaken_leaves_no_copy(t: &Context) -> Verdict {
    let (one, other) = (Process::new(t, "one", LISTENING), outside(t));
    let heard = Listener::begin(t, &one).await?;
    other.set("k", "old", LONG).await?;
    heard.everything().await?;
    let gate = Gate::new();
    one.far.on(Calls::Reads, &one.text("k"), Act::AnswerHeld(gate.clone()));
    let reading = one.begin(|store| async move { store.get("k").await });
    gate.has_begun("a read").await?;
    one.far.heal();
    other.set("k", "new", LONG).await?;
    heard.everything().await?;
    gate.open();
    same(ended(reading).await??.as_deref(), Some("old"))?;
    one.has("k", "new").await?;
    one.has("k", "new").await
}

async fn a_gap_ends_every_copy(t: &Context) -> Verdict {
    let (one, other) = (Process::new(t, "one", LISTENING), outside(t));
    let heard = Listener::begin(t, &one).await?;
    for key in ["read", "also read", "on its way"] {
        other.set(key, "old", LONG).await?;
    }
    heard.everything().await?;
    for key in ["read", "also read"] {
        one.has(key, "old").await?;
        one.has_near(key, "old").await?;
    }
    let gate = Gate::new();
    one.far.on(Calls::Reads, &one.text("on its way"), Act::AnswerHeld(gate.clone()));
    let reading = one.begin(|store| async move { store.get("on its way").await });
    gate.has_begun("a read").await?;
    one.far.heal();
    one.far.muffle(true);
    for key in ["read", "also read", "on its way"] {
        other.set(key, "new", LONG).await?;
    }
    // A notice that comes later than this ends a copy as well, and the gap none.
    tokio::time::sleep(MARGIN).await;
    one.far.muffle(false);
    one.far.gap();
    gate.open();
    same(ended(reading).await??.as_deref(), Some("old"))?;
    for key in ["read", "also read", "on its way"] {
        one.has(key, "new").await?;
    }
    Ok(())
}

/// Notices come within this time.
const MARGIN: Duration = Duration::from_millis(100);

async fn copies_are_not_trusted_while_the_bus_is_silent(t: &Context) -> Verdict {
    let copies = NearCopies { ttl: None, ttl_without_bus: Duration::ZERO, listens: true };
    let (one, other) = (Process::new(t, "one", copies), outside(t));
    let heard = Listener::begin(t, &one).await?;
    other.set("k", "old", LONG).await?;
    heard.everything().await?;
    one.has("k", "old").await?;
    one.far.muffle(true);
    other.set("k", "new", LONG).await?;
    tokio::time::sleep(SILENCE + MARGIN).await;
    one.has("k", "new").await
}
