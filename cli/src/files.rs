//! Files that are whole or not there: written beside their place, and moved to it when they are complete.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::exit::Failure;

/// Writes a file. Whoever looks, or stops this program, sees the old one or the new one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Draft::new(path, bytes)?.keep()
}

/// A file beside the place where it is meant to be. It is removed unless it is kept.
#[derive(Debug)]
pub(crate) struct Draft {
    draft: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Writes a draft.
    pub(crate) fn new(place: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let draft = Self { draft: place.with_file_name(name), place: place.to_owned() };
        let written =
            OpenOptions::new().write(true).create_new(true).open(&draft.draft).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
        written.map_err(|error| draft.failed(&error))?;
        Ok(draft)
    }

    /// Where the draft is.
    pub(crate) fn path(&self) -> &Path {
        &self.draft
    }

    /// Moves it to its place.
    pub(crate) fn keep(self) -> Result<(), Failure> {
        fs::rename(&self.draft, &self.place).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("{}: the file could not be written: {error}", self.place.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Once it is kept, it is not there.
        let _ = fs::remove_file(&self.draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let place = folder.path().join("plan.html");
        fs::write(&place, "old").unwrap();
        let draft = Draft::new(&place, b"new").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"old");
        assert_eq!(fs::read(draft.path()).unwrap(), b"new");
        drop(draft);
        assert_eq!(names(), ["plan.html"]);
        write_whole(&place, b"new").unwrap();
        assert_eq!((fs::read(&place).unwrap(), names().len()), (b"new".to_vec(), 1));
        let why = write_whole(&folder.path().join("no/such/folder"), b"x").unwrap_err().to_string();
        assert!(why.contains("no/such/folder"), "{why}");
    }
}
