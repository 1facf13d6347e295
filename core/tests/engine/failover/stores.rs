//! Stores with an ability, or a habit, that [`Remote`] does not have.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use larder_core::{
    Backend, Error, ErrorKind, Result,
    backend::{CounterOptions, Counters, DeleteOptions, Forward},
    error::Operation,
    key::StoreKey,
};

use crate::common::{Keys, Remote};

/// Says so when it is closed.
#[derive(Debug)]
pub struct Closing(pub Arc<Remote>);

#[async_trait]
impl Forward for Closing {
    type Inner = Arc<Remote>;

    fn inner(&self) -> &Arc<Remote> {
        &self.0
    }

    fn advice(&self) -> Vec<String> {
        vec!["closes badly".to_owned()]
    }

    async fn close(&self) -> Result<()> {
        self.0.evict(Keys::Any);
        Err(Error::new(ErrorKind::Closed, Operation::Close, "badly"))
    }
}

/// A store that counts.
#[derive(Debug)]
pub struct Counting(Arc<Remote>, Mutex<HashMap<String, u64>>);

impl Counting {
    pub fn new(store: Arc<Remote>) -> Self {
        Self(store, Mutex::default())
    }
}

impl Forward for Counting {
    type Inner = Arc<Remote>;

    fn inner(&self) -> &Arc<Remote> {
        &self.0
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }
}

#[async_trait]
impl Counters for Counting {
    async fn increment(&self, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Result<Option<u64>> {
        // As a round trip of this store, so that what makes it fail makes this fail.
        Backend::delete(&self.0, key, &DeleteOptions::new()).await?;
        let mut counts = self.1.lock().unwrap();
        let Some(count) = counts.get(&key.to_string()).copied() else {
            counts.extend(options.initial.map(|initial| (key.to_string(), initial)));
            return Ok(options.initial);
        };
        counts.insert(key.to_string(), count.saturating_add_signed(by));
        Ok(Some(count.saturating_add_signed(by)))
    }
}
