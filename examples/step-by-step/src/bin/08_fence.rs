//! Step 8: the price changes while a visitor's query is under way. A cache filled by hand keeps the old price for a whole
//! life, although it was told; the fence of `get_or_load` does not let it in.

use larder::{Cache, cache::Status};
use step_by_step::{Database, Outcome, Product, Shop, configured, product_key, until};
use tokio::join;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let database = Database::new();
    let larder = configured("in_memory").build()?;
    let cache: Cache<Product> = larder.cache("products")?;
    // Answers nobody until it is told to: a slow query.
    database.hangs();
    let visitor = async {
        // The cache has nothing: the query begins, and sees the price of this moment.
        let product = database.product(1).await?;
        cache.set(&product_key(1), product).await?;
        Outcome::Ok(())
    };
    let writer = async {
        until("the visitor's query", || database.queries() == 1).await?;
        database.set_price(1, 8).await;
        cache.delete(&product_key(1)).await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (visitor, writer) = join!(visitor, writer);
    visitor.and(writer)?;
    let left = cache.get(&product_key(1)).await?.map(|product| product.price);
    println!("by hand:     the price is 8, the cache has {left:?}");
    assert_eq!(left, Some(10));

    let database = Database::new();
    let larder = configured("in_memory").build()?;
    let shop = Shop::new(&larder, &database)?;
    database.hangs();
    let writer = async {
        until("the visitor's query", || database.queries() == 1).await?;
        shop.change_price(1, 8).await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (visitor, writer) = join!(shop.product(1), writer);
    writer?;
    let left = shop.products().get(&product_key(1)).await?.map(|product| product.price);
    println!("get_or_load: the price is 8, the cache has {left:?}");
    println!(
        "             who came before was told {}, who comes now {}",
        visitor?.price,
        shop.product(1).await?.price
    );
    assert_eq!((left, shop.products().stats().fenced), (None, 1));
    assert_eq!(shop.product(1).await?.status(), Status::Hit);
    Ok(())
}
