//! `docs/features/many.md`.

use std::{
    io,
    sync::{Arc, Mutex},
};

use larder::{Cache, Key};
use step_by_step::Outcome;
use tokio::task::yield_now;

use super::larder;

/// `SELECT id, name FROM users WHERE id IN (…)`: of those asked for, the ones that exist.
async fn names(ids: Vec<Key>, asked: Arc<Mutex<Vec<usize>>>) -> io::Result<Vec<(Key, String)>> {
    yield_now().await;
    asked.lock().unwrap().push(ids.len());
    let nobody = Key::new("user").part(4_u64);
    Ok(ids.into_iter().filter(|id| *id != nobody).map(|id| (id.clone(), id.text().to_owned())).collect())
}

#[tokio::test]
async fn what_is_missing_is_one_call() -> Outcome {
    let users: Cache<String> = larder().cache("users")?;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    users.set(&Key::new("user").part(1_u64), "Ada".to_owned()).await?;

    let keys: Vec<Key> = [1_u64, 2, 3, 4].map(|id| Key::new("user").part(id)).into();
    let found = users.get_or_load_many(&keys, |missing| names(missing, log)).await?;

    for (key, name) in keys.iter().zip(found) {
        match name? {
            Some(name) => println!("{}: {} ({:?})", key.text(), *name, name.status()),
            None => println!("{}: there is no such user", key.text()),
        }
    }
    assert_eq!(*asked.lock().unwrap(), [3]);

    let again = users.get_or_load_many(&keys, move |missing| names(missing, asked)).await?;
    assert!(again[3].as_ref().is_ok_and(Option::is_none));
    assert_eq!((users.stats().loads, users.stats().writes), (2, 3));
    Ok(())
}
