//! Lines for a log, written by a thread of its own: whoever has a line never waits. Where lines come faster than they can be
//! written, those that find no room in the queue are dropped and counted.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::counters::Counters;

/// Where lines go, and how many may wait.
#[derive(Debug)]
pub(crate) struct Lines {
    sender: SyncSender<Message>,
    counters: Arc<Counters>,
}

enum Message {
    Line(String),
    /// Everything before it is to be written; then this is answered.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Adds to a file, or writes to standard output. The file is opened at once, so that a wrong path is found.
    ///
    /// # Errors
    /// Why there is no such file.
    pub(crate) fn open(file: Option<&Path>, queue: usize, counters: &Arc<Counters>) -> io::Result<Self> {
        let output: Box<dyn Write + Send> = match file {
            Some(file) => Box::new(File::options().append(true).create(true).open(file)?),
            None => Box::new(io::stdout()),
        };
        let (sender, receiver) = sync_channel(queue);
        let counted = Arc::clone(counters);
        thread::Builder::new()
            .name("larder-lines".to_owned())
            .spawn(move || write_all(&receiver, output, &counted))?;
        Ok(Self { sender, counters: Arc::clone(counters) })
    }

    /// Writes a line, which has no end yet, when it can be written.
    pub(crate) fn write(&self, line: String) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.counters.lines_dropped.up();
        }
    }

    /// Waits until what was written so far is there, or for this long. It blocks.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, told) = sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = told.recv_timeout(patience);
        }
    }
}

fn write_all(receiver: &Receiver<Message>, output: Box<dyn Write + Send>, counters: &Counters) {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    let mut is_failing = false;
    // Ends when nobody can send any more.
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(mut line) => {
                    line.push('\n');
                    tell(output.write_all(line.as_bytes()), &mut is_failing, counters);
                }
                Message::Flush(done) => {
                    tell(output.flush(), &mut is_failing, counters);
                    let _ = done.try_send(());
                }
            }
            next = receiver.try_recv().ok();
        }
        tell(output.flush(), &mut is_failing, counters);
    }
}

/// A disk that is full is said once, not for each line.
fn tell(written: io::Result<()>, is_failing: &mut bool, counters: &Counters) {
    match written {
        Ok(()) => *is_failing = false,
        Err(error) => {
            counters.lines_dropped.up();
            if !std::mem::replace(is_failing, true) {
                tracing::warn!(%error, "a log cannot be written; its lines are dropped until it can be");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_added_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        fs::write(&file, "before\n").unwrap();
        let counters = Arc::default();
        let lines = Lines::open(Some(&file), 1000, &counters).unwrap();
        (0..100).for_each(|number| lines.write(number.to_string()));
        lines.flush(Duration::from_secs(10));
        let written = fs::read_to_string(&file).unwrap();
        let expected = std::iter::once("before".to_owned()).chain((0..100).map(|number| number.to_string()));
        assert!(written.lines().eq(expected) && written.ends_with('\n'), "{written}");
        assert_eq!(counters.lines_dropped.get(), 0);
    }

    #[test]
    fn a_path_that_is_wrong_is_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lines::open(Some(folder.path()), 10, &Arc::default()).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_written_is_counted_and_nobody_waits() {
        let counters = Arc::default();
        let lines = Lines::open(Some(Path::new("/dev/full")), 4, &counters).unwrap();
        let begun = std::time::Instant::now();
        (0..10_000).for_each(|number| lines.write(format!("{number:01000}")));
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(counters.lines_dropped.get() > 0);
    }
}
