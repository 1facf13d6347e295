//! `docs/features/single-flight.md`.

use std::io;

use larder::{Cache, Key};
use step_by_step::{Outcome, at_once};
use tokio::task::yield_now;

use super::larder;

async fn render(id: u64) -> io::Result<String> {
    yield_now().await;
    Ok(format!("<h1>{id}</h1>"))
}

#[tokio::test]
async fn one_load() -> Outcome {
    let pages: Cache<String> = larder().cache("pages")?;
    let key = Key::new("page").part(7);
    let ask = async |id| -> Outcome {
        let page = pages.get_or_load(&key, move || render(id)).await?;
        assert_eq!(*page, "<h1>7</h1>");
        Ok(())
    };
    let answers = at_once((0..400).map(|_| ask(7))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(pages.stats().loads, 1);
    Ok(())
}
