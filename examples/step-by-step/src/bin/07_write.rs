//! Step 7: the price changes. What the cache is not told it does not know; one `delete` tells it.

use step_by_step::{Database, Outcome, Shop, configured};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let larder = configured("deadlines").build()?;
    let database = Database::new();
    let shop = Shop::new(&larder, &database)?;
    shop.product(1).await?;

    database.set_price(1, 8).await;
    let untold = shop.product(1).await?;
    println!("changed in the database: the shop says {}", untold.price);

    shop.change_price(1, 7).await?;
    let told = shop.product(1).await?;
    println!("changed by the shop:     the shop says {}", told.price);

    assert_eq!((untold.price, told.price), (10, 7));
    Ok(())
}
