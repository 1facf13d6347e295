//! `docs/features/leases.md`.

use std::time::Duration;

use larder::{
    Cache, Clock,
    cache::{Abandon, Policy, Status},
};
use step_by_step::{Database, DatabaseError, Outcome, Product, product_key, until};
use tokio::{join, time::sleep};

use super::{larder, larder_at};

/// Two handles on one store, which know as little of each other as two processes do.
fn two_processes(lease: Duration) -> Result<[Cache<Product>; 2], larder::Error> {
    two_processes_at(&Clock::system(), Policy::new(Duration::from_mins(1)).lease(lease))
}

fn two_processes_at(clock: &Clock, policy: Policy) -> Result<[Cache<Product>; 2], larder::Error> {
    let store = larder_at(clock).store("main").unwrap();
    let cache = || {
        let builder = Cache::builder(store.clone()).namespace("products");
        builder.policy(policy).clock(clock.clone()).build()
    };
    Ok([cache()?, cache()?])
}

async fn ask(cache: &Cache<Product>, database: &Database) -> Result<Status, larder::Error> {
    let database = database.clone();
    let product =
        cache.get_or_load(&product_key(1), move || async move { database.product(1).await }).await?;
    Ok(product.status())
}

#[tokio::test]
async fn one_loads_and_the_other_waits() -> Outcome {
    let larder = larder();
    let products: Cache<Product> = larder.cache_with("products", |cache| {
        cache.policy(Policy::new(Duration::from_mins(1)).lease(Duration::from_secs(2)))
    })?;
    assert_eq!(ask(&products, &Database::new()).await?, Status::Loaded);

    let [one, other] = two_processes(Duration::from_secs(2))?;
    let database = Database::new();
    let (first, second) = join!(ask(&one, &database), ask(&other, &database));
    assert_eq!((first?, second?), (Status::Loaded, Status::Joined));
    assert_eq!((database.queries(), other.stats().leases_awaited), (1, 1));
    Ok(())
}

/// "renewed while its load goes on"
#[tokio::test]
async fn a_load_that_outlives_its_lease_is_stored() -> Outcome {
    let [one, _] = two_processes(Duration::from_millis(30))?;
    let database = Database::new();
    database.hangs();
    let release = async {
        sleep(Duration::from_millis(60)).await;
        database.is_well();
    };
    let (answer, ()) = join!(ask(&one, &database), release);
    assert_eq!(answer?, Status::Loaded);
    assert_eq!(one.stats().fenced, 0);
    Ok(())
}

/// "after the lease's time the next one loads"
#[tokio::test]
async fn a_lease_whose_owner_is_gone_is_taken_over() -> Outcome {
    let policy = Policy::new(Duration::from_mins(1)).lease(Duration::from_millis(500));
    let [one, other] = two_processes_at(&Clock::system(), policy.abandon(Abandon::Cancel))?;
    let (never, database) = (Database::new(), Database::new());
    never.hangs();
    let hung = never.clone();
    let owner = tokio::spawn(async move { ask(&one, &hung).await.map(drop) });
    until("the owner's query", || never.queries() == 1).await?;
    owner.abort();
    assert_eq!(ask(&other, &database).await?, Status::Loaded);
    Ok(())
}

/// "each process runs its own loader and gets its own error"
#[tokio::test]
async fn errors_are_not_shared_between_processes() -> Outcome {
    let [one, other] = two_processes(Duration::from_secs(2))?;
    let database = Database::new();
    database.goes_down();
    let (first, second) = join!(ask(&one, &database), ask(&other, &database));
    for answer in [first, second] {
        assert!(answer.unwrap_err().load_error::<DatabaseError>().is_some());
    }
    assert_eq!(database.queries(), 2);
    Ok(())
}

/// "Several processes may make it at once; one of them stores it, and only if the old one is still there"
#[tokio::test]
async fn a_stale_value_is_renewed_without_a_lease_and_not_put_back() -> Outcome {
    let clock = Clock::manual();
    let policy = Policy::new(Duration::from_mins(1)).stale_while_revalidate(Duration::from_mins(1));
    let [one, other] = two_processes_at(&clock, policy.lease(Duration::from_secs(5)))?;
    let database = Database::new();
    ask(&one, &database).await?;
    clock.advance(Duration::from_secs(61));

    database.hangs();
    for cache in [&one, &other] {
        assert_eq!(ask(cache, &database).await?, Status::Stale);
    }
    until("both queries", || database.queries() == 3).await?;
    database.is_well();
    let count = || (one.stats().writes + other.stats().writes, one.stats().fenced + other.stats().fenced);
    until("both loads", || count() == (2, 1)).await?;

    clock.advance(Duration::from_secs(61));
    database.hangs();
    assert_eq!(ask(&one, &database).await?, Status::Stale);
    until("the query", || database.queries() == 4).await?;
    assert!(!other.delete(&product_key(1)).await?, "what is stale does not count as live");
    database.is_well();
    until("the load", || count() == (2, 2)).await?;
    assert!(!other.contains(&product_key(1)).await?);
    Ok(())
}

/// "waits for nobody"
#[tokio::test]
async fn several_at_once_do_not_put_back_what_was_deleted() -> Outcome {
    let [one, other] = two_processes(Duration::from_secs(5))?;
    let (key, database) = (product_key(1), Database::new());
    database.hangs();
    let asked = database.clone();
    let load = one.get_or_load_many([&key], move |keys| async move {
        let product = asked.product(1).await?;
        Ok::<_, DatabaseError>(keys.into_iter().map(move |key| (key, product.clone())))
    });
    let change = async {
        until("the query", || database.queries() == 1).await?;
        other.delete(&key).await?;
        database.is_well();
        Outcome::Ok(())
    };
    let (loaded, changed) = join!(load, change);
    changed?;
    assert!(loaded?.iter().all(Result::is_ok));
    assert!(!other.contains(&key).await?);
    Ok(())
}
