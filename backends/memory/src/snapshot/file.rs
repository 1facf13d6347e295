//! The file of a snapshot, and whose it is.
//!
//! A store that may leave a snapshot claims its path when it begins: it writes a number of its own beside it. Whoever closes
//! later than another store has begun finds another number there, and leaves nothing: what it knows may be out of date by then.

use std::{
    fs::{self, File, OpenOptions},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The file of one store's snapshot.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotFile {
    path: PathBuf,
    claim: String,
}

impl SnapshotFile {
    /// Claims this path, from whoever had it.
    pub(crate) fn claim(path: &Path) -> io::Result<Self> {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        if let Ok(now) = std::time::UNIX_EPOCH.elapsed() {
            hasher.write_u128(now.as_nanos());
        }
        let claimed = Self { path: path.to_owned(), claim: format!("{:016x}", hasher.finish()) };
        fs::write(claimed.beside("owner"), &claimed.claim)?;
        Ok(claimed)
    }

    /// The snapshot that is there, if there is one, which is gone afterwards. One that cannot be removed is not given: it would
    /// be read again by the next, who may know better.
    pub(crate) fn take(&self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // A pipe would be waited for.
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let read = if metadata.len() <= limit { read_up_to(&self.path, limit) } else { Err(too_large()) };
        fs::remove_file(&self.path)?;
        read.map(Some)
    }

    /// Leaves this. `false`, and nothing is there, if the path is another store's by now.
    pub(crate) fn leave(&self, bytes: &[u8]) -> io::Result<bool> {
        let (new, mut options) = (self.beside("new"), OpenOptions::new());
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            // It holds what the service has cached.
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        // Left by a process that died while it wrote. Nothing is ever read from it.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = options.open(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(error) = written.and_then(|()| fs::rename(&new, &self.path)) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        // Looked at afterwards: whoever claims it from now on takes what is there, and whoever did so before may have found
        // nothing yet.
        if read_up_to(&self.beside("owner"), 64).is_ok_and(|owner| owner == self.claim.as_bytes()) {
            return Ok(true);
        }
        match fs::remove_file(&self.path) {
            // The other has taken it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(false),
        }
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(what);
        name.into()
    }
}

fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

fn too_large() -> io::Error {
    io::Error::other("it is larger than snapshot_max_bytes")
}
