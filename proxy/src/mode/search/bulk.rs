//! `_bulk` bodies that are too large to be kept: they are read as they go by, and no piece goes by before the generations that it
//! ends are ended.

use std::{sync::Arc, time::Instant};

use futures_util::stream::unfold;
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody};
use larder_http::search::{BulkScanner, Targets};
use tokio::sync::Mutex;

use super::{Shared, generations::Generations};
use crate::body::{Body, streaming};

/// What an upload has written to so far.
#[derive(Debug, Default)]
pub(super) struct Upload(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    generations: Generations,
    /// All of it went by.
    ended: bool,
    /// There is an answer.
    answered: bool,
}

impl Upload {
    /// There is an answer. The generations that were marked, and those that are to be ended: an engine that has answered before
    /// the end may have taken more than was known of then.
    pub(super) async fn answered(&self) -> (Generations, Generations) {
        let mut state = self.0.lock().await;
        state.answered = true;
        let marked = state.generations.clone();
        let mut written = marked.clone();
        if !state.ended {
            written.extend(Generations::everything());
        }
        (marked, written)
    }
}

/// A body on its way, and what reads it.
struct Passing {
    search: Arc<Shared>,
    body: Body,
    scanner: BulkScanner,
    upload: Arc<Upload>,
    /// When its marks were looked after last.
    stayed: Instant,
}

/// The same body, read as it goes by. `default` is the index of actions that name none.
pub(super) fn reading(search: &Arc<Shared>, body: Body, default: Targets) -> (Body, Arc<Upload>) {
    let upload = Arc::<Upload>::default();
    let scanner = BulkScanner::new(default);
    let stayed = Instant::now();
    let passing = Passing { search: Arc::clone(search), body, scanner, upload: Arc::clone(&upload), stayed };
    let frames = unfold(Some(passing), |passing| async move {
        let mut passing = passing?;
        match passing.body.frame().await {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    passing.scanner.feed(data);
                    let targets = passing.scanner.targets().clone();
                    passing.end(&targets).await;
                    passing.stay().await;
                }
                // Where the length is known, nobody asks for what follows the last piece.
                if passing.body.is_end_stream() {
                    passing.finish().await;
                }
                Some((Ok(frame), Some(passing)))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                let scanner =
                    std::mem::replace(&mut passing.scanner, BulkScanner::new(Targets::everything()));
                passing.end(&scanner.finish()).await;
                passing.upload.0.lock().await.ended = true;
                None
            }
        }
    });
    (streaming(StreamBody::new(frames)), upload)
}

impl Passing {
    /// All of it went by. The last line need not have an end.
    async fn finish(&mut self) {
        if self.upload.0.lock().await.ended {
            return;
        }
        let scanner = std::mem::replace(&mut self.scanner, BulkScanner::new(Targets::everything()));
        self.end(&scanner.finish()).await;
        self.upload.0.lock().await.ended = true;
    }

    /// An upload may take longer than a mark lasts.
    async fn stay(&mut self) {
        if self.stayed.elapsed() > self.search.settings.patience / 2 {
            self.stayed = Instant::now();
            let state = self.upload.0.lock().await;
            if !state.answered {
                self.search.stay(&state.generations).await;
            }
        }
    }

    /// Marks and ends what was not ended yet. In a task: the connection may give the body up meanwhile, and what was marked would be
    /// known to nobody.
    async fn end(&mut self, targets: &Targets) {
        let (search, upload, targets) = (Arc::clone(&self.search), Arc::clone(&self.upload), targets.clone());
        let ended = tokio::spawn(async move {
            let known = search.names().await;
            let mut new = Generations::of_write(&targets, known.names());
            let mut state = upload.0.lock().await;
            new.subtract(&state.generations);
            if new.is_empty() {
                return;
            }
            // Nobody would remove a mark that is set after the answer; then there are others.
            let marked = state.answered || search.mark_in_flight(&new).await;
            search.end(&new, marked).await;
            state.generations.extend(new);
        });
        // It does not panic, and nobody ends it but the runtime.
        let _ = ended.await;
    }
}
