//! Buses that are wrong in one way, around a store that is right.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Result,
    backend::{
        Bus, Capabilities, Counters, DeleteItem, DeleteOptions, Ear, Forward, Invalidation, Notice, SetItem,
        SetOptions, TouchItem, TouchOptions, Written,
    },
    key::{Namespace, StoreKey},
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{Mutant, lock};
use crate::{reference::ReferenceBackend, store::Store, task};

mutants! {
    |clock, flaw| store(&clock, flaw);

    BeginsWithoutGap "begins to tell without a gap" => "bus::the_first_notice_is_a_gap";
    SilentTouches "tells of no touch" => "bus::every_change_is_told";
    SilentBulk "tells of the first key of a bulk operation only" => "bus::every_change_in_bulk_is_told";
    SilentTokens "does not tell of what is done by token" => "bus::a_compare_and_set_is_told";
    SilentPeers "tells of one's own changes only" => "bus::a_peers_changes_are_told";
    SilentVersions "does not tell of the records of versions" => "bus::a_clear_and_a_tag_are_told";
    TellsByBeginning "tells of every namespace whose name begins alike" => "bus::what_others_keep_is_not_told";
    TellsLater "gives signs of life before it tells" => "bus::a_change_is_told_before_the_sign_of_life_behind_it";
    RarelyAlive "gives signs of life too rarely" => "bus::signs_of_life_come_in_time";
    OneListener "tells the first who listens only" => "bus::who_listens_later_hears_as_well";
    HoldsListeners "keeps alive whoever listens" => "bus::who_is_gone_is_not_held";
}

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(20);
const RARE: Duration = Duration::from_millis(900);
/// Longer than a beat.
const LATE: Duration = Duration::from_millis(100);

/// What all processes share.
#[derive(Debug)]
struct Shared {
    store: ReferenceBackend,
    ears: Mutex<Vec<Listening>>,
    flaw: Option<Flaw>,
}

#[derive(Debug, Clone)]
struct Listening {
    process: usize,
    namespace: Namespace,
    ear: Weak<dyn Ear>,
    _held: Option<Arc<dyn Ear>>,
}

/// One process's end of it.
#[derive(Debug)]
struct Telling {
    shared: Arc<Shared>,
    process: usize,
}

fn store(clock: &Clock, flaw: Option<Flaw>) -> Store {
    let shared =
        Arc::new(Shared { store: ReferenceBackend::new(clock.clone()), ears: Mutex::default(), flaw });
    let peer = Arc::clone(&shared);
    Store::new(Telling { shared, process: 0 })
        .with_peer(move |_| Telling { shared: Arc::clone(&peer), process: 1 })
}

/// Connects to one store that is as it should be, with a bus, as one process after another does.
pub(super) fn processes(clock: &Clock) -> impl Fn() -> Arc<dyn Backend> + Clone + Send + Sync + 'static {
    let store = ReferenceBackend::new(clock.clone());
    let shared = Arc::new(Shared { store, ears: Mutex::default(), flaw: None });
    move || Arc::new(Telling { shared: Arc::clone(&shared), process: 0 })
}

impl Telling {
    fn is(&self, flaw: Flaw) -> bool {
        self.shared.flaw == Some(flaw)
    }

    fn changed(&self, key: &StoreKey<'_>) {
        let text = key.to_string();
        if self.is(Flaw::SilentVersions) && text.contains('!') {
            return;
        }
        let listening = lock(&self.shared.ears).clone();
        for Listening { process, namespace, ear, .. } in listening {
            let is_meant = if self.is(Flaw::TellsByBeginning) {
                text.starts_with(namespace.text())
            } else {
                namespace.key_prefixes().any(|prefix| text.starts_with(&prefix))
            };
            let is_deaf = self.is(Flaw::SilentPeers) && process != self.process;
            let (true, false, Some(ear)) = (is_meant, is_deaf, ear.upgrade()) else { continue };
            if self.is(Flaw::TellsLater) {
                let text = text.clone();
                task::spawn(async move {
                    sleep(LATE).await;
                    ear.hear(Notice::Changed(&text));
                });
            } else {
                ear.hear(Notice::Changed(&text));
            }
        }
    }

    fn changed_all<'k>(&self, keys: impl Iterator<Item = StoreKey<'k>>) {
        let most = if self.is(Flaw::SilentBulk) { 1 } else { usize::MAX };
        keys.take(most).for_each(|key| self.changed(&key));
    }

    fn changed_by(&self, key: &StoreKey<'_>, condition: larder_core::backend::Condition) {
        let is_by_token = matches!(condition, larder_core::backend::Condition::Unchanged(_));
        if !(is_by_token && self.is(Flaw::SilentTokens)) {
            self.changed(key);
        }
    }
}

#[async_trait]
impl Forward for Telling {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.shared.store
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::shared()
    }

    fn get_now(&self, _: &StoreKey<'_>) -> Option<larder_core::backend::Lookup> {
        None
    }

    /// As entries, as in a store that is elsewhere.
    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::There
    }

    fn counters(&self) -> Option<&dyn Counters> {
        None
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(self)
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let written = Backend::set(self.inner(), key, entry, options).await;
        self.changed_by(key, options.condition);
        written
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let touched = Backend::touch(self.inner(), key, options).await;
        if !self.is(Flaw::SilentTouches) {
            self.changed(key);
        }
        touched
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let removed = Backend::delete(self.inner(), key, options).await;
        self.changed_by(key, options.condition);
        removed
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let written = Backend::set_many(self.inner(), items).await;
        self.changed_all(items.iter().map(|item| item.key));
        written
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let touched = Backend::touch_many(self.inner(), items).await;
        self.changed_all(items.iter().map(|item| item.key));
        touched
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let removed = Backend::delete_many(self.inner(), items).await;
        self.changed_all(items.iter().map(|item| item.key));
        removed
    }
}

impl Bus for Telling {
    fn listen(&self, namespace: &Namespace, ear: Weak<dyn Ear>) {
        let held = ear.upgrade().filter(|_| self.is(Flaw::HoldsListeners));
        let mut ears = lock(&self.shared.ears);
        let listening = Listening {
            process: self.process,
            namespace: namespace.clone(),
            ear: Weak::clone(&ear),
            _held: held,
        };
        if !self.is(Flaw::OneListener) || ears.is_empty() {
            ears.push(listening);
        }
        drop(ears);
        if !self.is(Flaw::BeginsWithoutGap)
            && let Some(ear) = ear.upgrade()
        {
            ear.hear(Notice::Gap);
        }
        let beat = if self.is(Flaw::RarelyAlive) { RARE } else { BEAT };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                while let Some(ear) = ear.upgrade() {
                    // What was changed before is told by now.
                    ear.hear(Notice::Alive(Instant::now()));
                    drop(ear);
                    sleep(beat).await;
                }
            });
        }
    }
}
