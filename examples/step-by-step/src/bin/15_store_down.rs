//! Step 15: Redis is gone. Nobody notices but the database: what is near is served, the rest is loaded, and after some failures
//! Redis is not asked any more.

use std::{ops::Range, time::Duration};

use larder::{Larder, backend::CircuitState};
use step_by_step::{Database, Outcome, Shop, at_once, deployed, redis};
use tokio::time::sleep;

/// Whether the store is asked.
fn circuit(larder: &Larder) -> CircuitState {
    let circuits = larder.store("main").map(|store| store.circuits()).unwrap_or_default();
    circuits.first().map_or(CircuitState::Closed, |circuit| circuit.state)
}

/// Visitors of so many products that nobody has asked for before: how many of them were answered.
async fn answered(shop: &Shop, products: Range<u64>) -> usize {
    let answers = at_once(products.map(|id| shop.product(id))).await;
    answers.iter().filter(|answer| answer.is_ok()).count()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let (redis, database) = (redis()?, Database::new());
    let larder = deployed("near", &redis).build()?;
    let shop = Shop::new(&larder, &database)?;
    println!(
        "{} of 20 visitors are answered, the breaker is {}",
        answered(&shop, 0..20).await,
        circuit(&larder)
    );

    redis.stop();
    let count = answered(&shop, 100..140).await;
    println!("Redis is gone: {count} of 40 visitors are answered, the breaker is {}", circuit(&larder));
    assert_eq!((count, circuit(&larder)), (40, CircuitState::Open));

    redis.restart();
    // One call at a time goes through to see whether it is back.
    for visitor in 200.. {
        shop.product(visitor).await?;
        if circuit(&larder) == CircuitState::Closed {
            break;
        }
        if visitor == 1200 {
            return Err("Redis is back, and is not asked".into());
        }
        sleep(Duration::from_millis(10)).await;
    }
    println!("Redis is back: the breaker is {}", circuit(&larder));
    Ok(())
}
