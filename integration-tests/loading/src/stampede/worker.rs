//! One process's callers.

use std::{io, process, sync::Arc};

use larder_core::{Cache, Key};
use tokio::{task::JoinSet, time::Instant};

use super::{LEASE, asked::Asked, host::Answers};
use crate::{Outcome, fleet::Place, wire::Client};

const NAMESPACE: &str = "stampede";

pub(super) async fn run(asked: &Asked, place: &Place) -> Outcome {
    let database = Arc::new(Client::new(place.database));
    // One process needs none.
    let lease = (asked.processes > 1).then_some(LEASE);
    let cache: Cache<u64> = asked.store.cache(&place.server, NAMESPACE, lease, false)?;
    // A service that is sent ten thousand requests at once has its connections already.
    cache.get(&Key::new("warm")).await?;
    let expected = database.ask_one("ready", &[]).await?;

    let key = Key::new("cold");
    let mut callers = JoinSet::new();
    for _ in 0..asked.callers_in(place.index) {
        callers.spawn(call(cache.clone(), key.clone(), Arc::clone(&database), expected));
    }
    let mut answers = Answers::default();
    while let Some(answer) = callers.join_next().await {
        answers.add(&answer?);
    }
    database.ask("done", &answers.numbers()).await?;
    Ok(())
}

async fn call(cache: Cache<u64>, key: Key, database: Arc<Client>, expected: u64) -> Answers {
    let begun = Instant::now();
    let load = move || async move { database.ask_one("load", &[process::id().into()]).await };
    let answer = cache.get_or_load::<_, _, io::Error>(&key, load).await;
    let mut answers = Answers { slowest: begun.elapsed(), ..Answers::default() };
    match answer {
        Ok(value) if *value == expected => answers.right = 1,
        Ok(_) => answers.wrong = 1,
        Err(error) => {
            eprintln!("process {}: {error}", process::id());
            answers.errors = 1;
        }
    }
    answers
}
