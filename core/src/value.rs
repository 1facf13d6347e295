//! What a cache can hold.

use serde::{Serialize, de::DeserializeOwned};

/// What a cache can hold: anything that serde can write and read, so that every store can hold it.
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}
