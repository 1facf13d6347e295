//! What host and worker say to each other.

use std::{
    io::{self, BufRead as _, Write as _},
    process::exit,
    thread,
};

use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::Outcome;

/// The host's words. When the host ends, so does this process.
#[derive(Debug)]
pub(super) struct Control {
    words: UnboundedReceiver<String>,
}

impl Control {
    pub(super) fn new() -> Self {
        let (told, words) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                // Nobody listens any more only when the trial is over.
                let _ = told.send(line);
            }
            exit(1)
        });
        Self { words }
    }

    pub(super) async fn expect(&mut self, word: &str) -> Outcome {
        match self.words.recv().await {
            Some(heard) if heard == word => Ok(()),
            heard => Err(format!("the host says {heard:?} where \"{word}\" was due").into()),
        }
    }

    pub(super) fn tell(line: &str) {
        let mut output = io::stdout().lock();
        // A host that does not listen has ended, and so will this process.
        let _ = writeln!(output, "{line}");
        let _ = output.flush();
    }
}
