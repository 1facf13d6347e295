//! A program that keeps its cache in a file, by configuration. Run it twice: the second time nothing is loaded.
//!
//! ```text
//! cargo run -p custom-backend --example service
//! ```

use std::{convert::Infallible, path::Path, time::Duration};

use custom_backend::{RedbBackend, RedbConfig};
use larder::{Cache, Key, Larder, Registry, Result, cache::Status};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/service");
    let larder = open(&folder, &std::env::temp_dir().join("larder-custom-backend.redb"))?;
    for (number, status) in read(&larder.cache("articles")?).await?.into_iter().enumerate() {
        println!("article {number}: {status:?}");
    }
    larder.close().await
}

/// Everything that Larder knows, and one backend that it does not.
fn registry() -> Registry {
    Registry::with_defaults().register(custom_backend::NAME, |config: RedbConfig, context| {
        RedbBackend::new(config, context.clock().clone())
    })
}

/// The `larder.toml` of this folder, with its cache in this file.
pub(crate) fn open(folder: &Path, file: &Path) -> Result<Larder> {
    Larder::builder().registry(registry()).directory(folder).set("stores.disk.path", file).build()
}

/// Reads some articles, and says for each where it came from.
pub(crate) async fn read(articles: &Cache<String>) -> Result<Vec<Status>> {
    let mut seen = Vec::new();
    for number in 0..3 {
        let article = articles.get_or_load(&Key::new("article").part(number), move || load(number)).await?;
        seen.push(article.status());
    }
    Ok(seen)
}

/// The database that is too slow to be asked every time.
async fn load(number: u64) -> Result<String, Infallible> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(format!("This is article {number}."))
}
