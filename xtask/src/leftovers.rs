//! A temporary directory for everything that tests do, which shows afterwards what they left running.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// How long a process that was just killed may take to go.
const PATIENCE: Duration = Duration::from_secs(3);

/// The directory, removed on drop. The test servers of this project work in directories of their own below it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Outcome<Self> {
        // Short, since paths of unix sockets may have no more than 107 bytes.
        let path = env::temp_dir().join(format!("larder-tests-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        // The links in `/proc` that are compared with it have no symbolic links in them.
        Ok(Self(path.canonicalize()?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Fails if a process still works below the directory.
    pub(crate) fn check(&self) -> Outcome {
        let begun = Instant::now();
        loop {
            let left = processes_in(&self.0);
            if left.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the tests left processes behind:\n  {}", left.join("\n  ")).into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whatever cannot be removed is in the system's temporary directory, where things may be left.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The processes that work in the directory or below, even if that is removed already. One that has ended and was not
/// waited for has no working directory any more. Without `/proc`, none is found.
fn processes_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = entries.filter(|entry| {
        fs::read_link(entry.path().join("cwd"))
            .is_ok_and(|working_directory| working_directory.starts_with(directory))
    });
    let shown = inside.map(|entry| {
        let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
        format!("{} {}", entry.file_name().to_string_lossy(), command_line.trim_end())
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_stays_is_found_and_one_that_went_is_not() {
        let scratch = Scratch::new().unwrap();
        let below = scratch.path().join("server");
        fs::create_dir(&below).unwrap();
        let mut sleeper = Command::new("sleep").arg("600").current_dir(&below).spawn().unwrap();
        fs::remove_dir(&below).unwrap();
        let found = processes_in(scratch.path());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{} ", sleeper.id())), "{found:?}");

        scratch.check().unwrap();
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
