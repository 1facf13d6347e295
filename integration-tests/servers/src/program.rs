//! Finds a program before it is run, so that its absence can be told from its failure.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::Error;

/// A server's program: what it is called, who can say otherwise, and where it comes from.
pub(crate) struct Program {
    /// The usual name.
    pub(crate) name: &'static str,
    /// The environment variable that names another program that speaks the same protocol.
    pub(crate) variable: &'static str,
    /// The Debian package.
    pub(crate) package: &'static str,
}

/// A current Valkey: what `LARDER_VALKEY_SERVER` names, else `valkey-server` in `PATH` or in the build directory.
pub fn valkey() -> Option<PathBuf> {
    other("LARDER_VALKEY_SERVER", "valkey-server")
}

/// A Redis 6.2: what `LARDER_OLD_REDIS_SERVER` names, else `redis-server-6.2` in `PATH` or in the build directory.
pub fn old_redis() -> Option<PathBuf> {
    other("LARDER_OLD_REDIS_SERVER", "redis-server-6.2")
}

/// What the variable names is given whether it is there or not: a test that was told of a program fails without it.
fn other(variable: &str, name: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).or_else(|| find(Path::new(name))).or_else(|| {
        let own = env::current_exe().ok()?;
        own.ancestors().map(|folder| folder.join("servers/bin").join(name)).find(|file| is_executable(file))
    })
}

impl Program {
    /// The program's path: what the caller chose, else what the environment chose, else the usual name.
    pub(crate) fn locate(&self, chosen: Option<PathBuf>) -> Result<PathBuf, Error> {
        let wanted = chosen
            .or_else(|| env::var_os(self.variable).map(PathBuf::from))
            .unwrap_or_else(|| self.name.into());
        find(&wanted).ok_or_else(|| Error::NotInstalled {
            program: wanted.display().to_string(),
            package: self.package,
        })
    }
}

/// The path of an executable file, searched for in `PATH` unless it names a directory itself.
pub(crate) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return is_executable(program).then(|| program.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_only_that() {
        assert!(find(Path::new("sh")).is_some_and(|path| path.is_absolute()));
        assert!(find(Path::new("/bin/sh")).is_some());
        assert_eq!(find(Path::new("no-such-program-anywhere")), None);
        let plain_file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(find(plain_file.path()), None);
    }
}
