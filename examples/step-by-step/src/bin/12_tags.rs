//! Step 12: pages that show many products. Who changes a price cannot know their keys; he names the product, and they
//! named it when they were made.

use std::time::Duration;

use larder::{Cache, Error, Fetched, Key};
use step_by_step::{Database, DatabaseError, Outcome, deployed, redis};
use tokio::time::sleep;

/// The page of a category, with the prices of its products.
async fn page(
    pages: &Cache<Vec<u64>>,
    database: &Database,
    category: &str,
    ids: &[u64],
) -> Result<Fetched<Vec<u64>>, Error> {
    let (database, wanted) = (database.clone(), ids.to_vec());
    let render = move || async move {
        let mut prices = Vec::new();
        for id in wanted {
            prices.push(database.product(id).await?.price);
        }
        Ok::<_, DatabaseError>(prices)
    };
    let tags = ids.iter().map(|id| format!("product:{id}"));
    pages.at(&Key::new("category").part(category)).tags(tags).get_or_load(render).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let (redis, database) = (redis()?, Database::new());
    let one: Cache<Vec<u64>> = deployed("tags", &redis).build()?.cache("pages")?;
    let other: Cache<Vec<u64>> = deployed("tags", &redis).build()?.cache("pages")?;
    let categories: [(&str, &[u64]); 3] = [("fruit", &[1, 2]), ("blue", &[1, 3]), ("nuts", &[4])];
    for (category, ids) in categories {
        for pages in [&one, &other] {
            page(pages, &database, category, ids).await?;
        }
    }
    assert_eq!(database.queries(), 5);

    database.set_price(1, 8).await;
    one.invalidate_tag("product:1").await?;
    // The other process learns of it as late as this, and never later.
    sleep(Duration::from_millis(101)).await;
    for (category, ids) in categories {
        let page = page(&other, &database, category, ids).await?;
        println!("{category}: {:?}, {}", *page, page.status().as_str());
    }
    println!("queries: {}", database.queries() - 5);
    assert_eq!(database.queries(), 5 + 4);
    Ok(())
}
