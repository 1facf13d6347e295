//! `docs/features/tags-and-clear.md`.

use std::io;

use larder::{Cache, Key};
use step_by_step::Outcome;
use tokio::task::yield_now;

use super::larder;

async fn render(category: &str) -> io::Result<String> {
    yield_now().await;
    Ok(format!("<h1>{category}</h1>"))
}

#[tokio::test]
async fn all_pages_that_show_a_product() -> Outcome {
    let pages: Cache<String> = larder().cache("pages")?;
    let (fruit, nuts) = (Key::new("category").part("fruit"), Key::new("category").part("nuts"));
    pages.at(&nuts).tag("product:9").set("<h1>nuts</h1>".to_owned()).await?;

    // What is on the page is named when it is made,
    pages.at(&fruit).tags(["product:1", "product:2"]).get_or_load(|| render("fruit")).await?;
    // and who changes a product names the product.
    pages.invalidate_tag("product:1").await?;

    assert!(!pages.contains(&fruit).await?);
    assert!(pages.contains(&nuts).await?);
    pages.clear().await?;
    assert!(!pages.contains(&nuts).await?);
    Ok(())
}
