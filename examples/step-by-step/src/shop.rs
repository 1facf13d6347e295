//! The service of the story. Its code stays as it is from the step in which the cache comes in; what changes is the
//! configuration.

use larder::{Cache, Error, Fetched, Key, Larder};

use crate::{Database, Product};

/// One process of the shop: its cache, and its connections to the database.
#[derive(Debug, Clone)]
pub struct Shop {
    products: Cache<Product>,
    database: Database,
}

/// Under which key a product is cached.
pub fn product_key(id: u64) -> Key {
    Key::new("product").part(id)
}

impl Shop {
    /// A shop that caches its products as this configuration says.
    ///
    /// # Errors
    /// When the configuration has no cache of products.
    pub fn new(larder: &Larder, database: &Database) -> Result<Self, Error> {
        Ok(Self { products: larder.cache("products")?, database: database.clone() })
    }

    /// What a visitor asks for.
    ///
    /// # Errors
    /// When the product can be had neither from the cache nor from the database.
    pub async fn product(&self, id: u64) -> Result<Fetched<Product>, Error> {
        let database = self.database.clone();
        self.products.get_or_load(&product_key(id), move || async move { database.product(id).await }).await
    }

    /// Commits a new price, and says so to the cache.
    ///
    /// # Errors
    /// When the cache could not be told, and may go on showing the old price.
    pub async fn change_price(&self, id: u64, price: u64) -> Result<(), Error> {
        self.database.set_price(id, price).await;
        self.products.delete(&product_key(id)).await?;
        Ok(())
    }

    /// The cache of products, for a look at what it has counted.
    pub fn products(&self) -> &Cache<Product> {
        &self.products
    }
}
