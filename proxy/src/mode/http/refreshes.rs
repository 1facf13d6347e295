//! Stale answers that are being confirmed: one request does it, others of the same address wait for what it brings.
//! (Where nothing is stored, the cache's own flights do the same.)

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use larder::{Key, cache::Fetched};
use tokio::sync::watch;

use super::entry::Entry;

/// What a refresh brings; `None` if it came to nothing.
type Landed = Option<Fetched<Entry>>;
type Table = Arc<Mutex<HashMap<Key, watch::Receiver<Landed>>>>;

/// The refreshes that are in progress.
#[derive(Debug, Default)]
pub(super) struct Refreshes(Table);

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// The caller's.
    Lead(Lead),
    /// Another's.
    Follow(Follow),
}

/// The right to refresh. It ends when this is dropped, whatever came of it.
#[derive(Debug)]
pub(super) struct Lead {
    table: Table,
    key: Key,
    sender: watch::Sender<Landed>,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Follow(watch::Receiver<Landed>);

impl Refreshes {
    pub(super) fn turn(&self, key: &Key) -> Turn {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = table.get(key) {
            return Turn::Follow(Follow(receiver.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        table.insert(key.clone(), receiver);
        Turn::Lead(Lead { table: Arc::clone(&self.0), key: key.clone(), sender })
    }
}

impl Lead {
    /// Gives those who wait what came of it.
    pub(super) fn land(self, landed: Landed) {
        self.sender.send_replace(landed);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Follow {
    /// What came of it.
    pub(super) async fn landed(mut self) -> Landed {
        // An error says that the sender is gone: what it sent before is there all the same.
        let _ = self.0.changed().await;
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_leads_and_others_follow() {
        let refreshes = Refreshes::default();
        let key = Key::new("a");
        let Turn::Lead(lead) = refreshes.turn(&key) else { panic!("nobody else is there") };
        let Turn::Follow(follow) = refreshes.turn(&key) else { panic!("somebody leads") };
        assert!(matches!(refreshes.turn(&Key::new("b")), Turn::Lead(_)));
        lead.land(None);
        assert!(follow.landed().await.is_none());
        assert!(matches!(refreshes.turn(&key), Turn::Lead(_)));
    }

    #[tokio::test]
    async fn who_goes_away_keeps_nobody_waiting() {
        let refreshes = Refreshes::default();
        let key = Key::new("a");
        let Turn::Lead(lead) = refreshes.turn(&key) else { panic!("nobody else is there") };
        let Turn::Follow(follow) = refreshes.turn(&key) else { panic!("somebody leads") };
        drop(lead);
        assert!(follow.landed().await.is_none());
    }
}
