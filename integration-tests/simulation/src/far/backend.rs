//! The store as a node sees it.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use larder_core::{
    Backend, Entry, Error, ErrorKind, Miss, Result,
    backend::{
        Bus, Capabilities, DeleteItem, DeleteOptions, Ear, GetOptions, Lookup, SetItem, SetOptions,
        TouchOptions, Written,
    },
    envelope::{self, Envelope},
    error::Operation,
    key::{Namespace, StoreKey},
};

use super::server::{Deed, Said, Server};

/// One node's client.
#[derive(Debug)]
pub(crate) struct Far {
    server: Arc<Server>,
    node: usize,
}

impl Far {
    pub(crate) fn new(server: &Arc<Server>, node: usize) -> Self {
        Self { server: Arc::clone(server), node }
    }

    async fn ask(&self, operation: Operation, deeds: Vec<(String, Deed)>) -> Result<Vec<Said>> {
        let said = self.server.ask(deeds).await;
        said.ok_or_else(|| Error::new(ErrorKind::Unavailable, operation, "the simulation has ended"))
    }
}

/// One answer for each, the same failure for all.
fn each<R>(said: Result<Vec<Said>>, count: usize, read: impl Fn(usize, Said) -> R) -> Vec<Result<R>> {
    match said {
        Ok(said) => said.into_iter().enumerate().map(|(place, said)| Ok(read(place, said))).collect(),
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}

fn only<R>(mut answers: Vec<Result<R>>, operation: Operation) -> Result<R> {
    let none = || Err(Error::new(ErrorKind::Protocol, operation, "no answer"));
    answers.pop().unwrap_or_else(none)
}

#[async_trait]
impl Backend for Far {
    fn capabilities(&self) -> Capabilities {
        Capabilities::shared()
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        only(self.get_many(&[*key], options).await, Operation::Get)
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], _: &GetOptions) -> Vec<Result<Lookup>> {
        let deeds = keys.iter().map(|key| (key.to_string(), Deed::Get)).collect();
        let said = self.ask(Operation::Get, deeds).await;
        each(said, keys.len(), |place, said| match said {
            Said::Found(Some(bytes)) => envelope::read(&keys[place], &bytes).into(),
            _ => Lookup::Miss(Miss::Absent),
        })
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        only(self.set_many(&[SetItem::new(*key, entry.clone(), *options)]).await, Operation::Set)
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut deeds = Vec::with_capacity(items.len());
        for SetItem { key, entry, options, .. } in items {
            let bytes = match Envelope::write(key, entry).await {
                Ok(envelope) => envelope.to_bytes(),
                Err(error) => return items.iter().map(|_| Err(error.clone())).collect(),
            };
            let (token, ttl, condition) = (entry.meta().revision, options.ttl, options.condition);
            let value = entry.live_object().and_then(|live| live.downcast_ref().copied());
            deeds.push((key.to_string(), Deed::Set { bytes, value, token, ttl, condition }));
        }
        let said = self.ask(Operation::Set, deeds).await;
        each(said, items.len(), |place, said| {
            let is_done = matches!(said, Said::Done(true));
            Written::when(is_done, &items[place].entry.known_by_revision())
        })
    }

    async fn touch(&self, _: &StoreKey<'_>, _: &TouchOptions) -> Result<bool> {
        Err(Error::new(ErrorKind::Unsupported, Operation::Touch, "nothing slides in the simulation"))
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        only(self.delete_many(&[DeleteItem::new(*key, *options)]).await, Operation::Delete)
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let deed = |item: &DeleteItem<'_>| Deed::Delete { condition: item.options.condition };
        let deeds = items.iter().map(|item| (item.key.to_string(), deed(item))).collect();
        let said = self.ask(Operation::Delete, deeds).await;
        each(said, items.len(), |_, said| matches!(said, Said::Done(true)))
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn bus(&self) -> Option<&dyn Bus> {
        Some(self)
    }
}

impl Bus for Far {
    /// There is one namespace in a simulation.
    fn listen(&self, _: &Namespace, ear: Weak<dyn Ear>) {
        self.server.listen(self.node, ear);
    }
}
