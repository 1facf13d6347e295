//! Step 1: no cache. Forty visitors look at the same product, and the database is asked forty times.

use std::time::Instant;

use step_by_step::{CONNECTIONS, Database, Outcome, QUERY, at_once};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let database = Database::new();
    let begun = Instant::now();
    let answers = at_once((0..40).map(|_| database.product(1))).await;
    let took = begun.elapsed();

    let rounds = answers.len() / CONNECTIONS;
    println!("{} visitors at once, queries: {}", answers.len(), database.queries());
    println!("{CONNECTIONS} at a time: the last visitor has waited for {rounds} queries");

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(database.queries(), 40);
    assert!(took >= QUERY * 10, "{took:?}");
    Ok(())
}
