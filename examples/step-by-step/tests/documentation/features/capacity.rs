//! `docs/features/capacity.md`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use larder::{
    Cache, Clock, Key, Larder,
    backend::Cause,
    cache::{Event, Listener},
};
use step_by_step::Outcome;

#[derive(Clone, Default)]
struct Evicted(Arc<Mutex<Vec<String>>>);

impl Listener for Evicted {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        if let Event::Left { key, cause: Cause::Evicted, age } = event {
            let line = format!("{key} was evicted after {age:?}");
            self.0.lock().unwrap().push(line);
        }
    }
}

#[tokio::test]
async fn what_leaves_a_store_is_told() -> Outcome {
    let clock = Clock::manual();
    let evicted = Evicted::default();
    let larder = Larder::builder()
        .environment([("NOT", "ours")])
        .clock(clock.clone())
        .set("stores.main.backend", "memory")
        .set("stores.main.max_entries", 100)
        .listener(evicted.clone())
        .build()?;
    let pages: Cache<String> = larder.cache("pages")?;
    for n in 0..300 {
        pages.set(&Key::new("page").part(n), "<html>".to_owned()).await?;
        clock.advance(Duration::from_millis(10));
    }

    let stats = pages.stats();
    if stats.evictions > stats.expirations {
        let age = stats.mean_age_at_eviction();
        println!("too small: {} entries were dropped, at an age of {age:?}", stats.evictions);
    }
    println!("{:?}", pages.usage());

    let usage = pages.usage().ok_or("it is bounded")?;
    assert_eq!(stats.evictions + usage.entries, 300);
    assert_eq!(evicted.0.lock().unwrap().len() as u64, stats.evictions);
    assert!(stats.mean_age_at_eviction() < Some(Duration::from_secs(3)));
    Ok(())
}
