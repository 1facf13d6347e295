//! `docs/features/fence.md`.

use larder::Cache;
use step_by_step::{Database, Outcome, Product, Shop, product_key, until};

use super::larder;

#[tokio::test]
async fn commit_then_delete() -> Outcome {
    let (larder, database) = (larder(), Database::new());
    let shop = Shop::new(&larder, &database)?;
    let products: Cache<Product> = larder.cache("products")?;
    let key = product_key(7);

    database.hangs();
    let writer = async {
        until("the query", || database.queries() == 1).await?;
        database.set_price(7, 8).await; // first the commit,
        products.delete(&key).await?; // then the cache
        database.is_well();
        Outcome::Ok(())
    };
    let (early, writer) = tokio::join!(shop.product(7), writer);
    writer?;
    assert_eq!(early?.price, 10);
    assert!(!products.contains(&key).await?);
    assert_eq!(products.stats().fenced, 1);
    assert_eq!(shop.product(7).await?.price, 8);
    Ok(())
}

/// "no load under that tag", and every other is.
#[tokio::test]
async fn a_tag_leaves_loads_under_other_tags_alone() -> Outcome {
    let (larder, database) = (larder(), Database::new());
    let shop = Shop::new(&larder, &database)?;
    database.hangs();
    let writer = async {
        until("the query", || database.queries() == 1).await?;
        shop.products().invalidate_tag("something else").await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (early, writer) = tokio::join!(shop.product(7), writer);
    writer?;
    assert_eq!(early?.status(), larder::cache::Status::Loaded);
    Ok(())
}
