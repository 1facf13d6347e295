//! The settings of the store, and their checks. Nothing here opens the file.

use std::path::PathBuf;

use larder_core::{
    error::{Error, ErrorKind, Operation, Result},
    settings::ByteSize,
};
use serde::{Deserialize, Serialize};

/// The settings of a [`RedbBackend`](crate::RedbBackend). Only `path` is needed.
///
/// ```
/// # use custom_backend::RedbConfig;
/// let config: RedbConfig = serde_json::from_str(r#"{ "path": "cache.redb", "max_value": "1 MiB" }"#).unwrap();
/// assert_eq!(config.max_value.get(), 1 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RedbConfig {
    /// The file. It is made when it is first needed; the folder it is in must be there by then.
    pub path: PathBuf,
    /// The most entries that are kept, at least 1. Beyond it those go first that have the least time left to live.
    #[serde(default = "default_max_entries")]
    pub max_entries: u64,
    /// The largest entry that is taken, metadata included, at most 1 GiB; a larger one is
    /// [`ErrorKind::TooLarge`].
    #[serde(default = "default_max_value")]
    pub max_value: ByteSize,
    /// How much of the file is kept in memory.
    #[serde(default = "default_memory")]
    pub memory: ByteSize,
}

/// An entry in the file is held in memory several times while it is written.
const LARGEST_VALUE: u64 = 1 << 30;

fn default_max_entries() -> u64 {
    1_000_000
}

fn default_max_value() -> ByteSize {
    ByteSize(16 << 20)
}

fn default_memory() -> ByteSize {
    // redb's own default is 1 GiB.
    ByteSize(64 << 20)
}

impl RedbConfig {
    /// The default settings with this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_entries: default_max_entries(),
            max_value: default_max_value(),
            memory: default_memory(),
        }
    }

    /// What can be checked without touching the file system: what is wrong there may be right when it is needed.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::Config, Operation::Build, why));
        if self.path.as_os_str().is_empty() {
            return refuse("`path` is empty; write it like \"/var/cache/shop.redb\"");
        }
        if self.max_entries == 0 {
            return refuse("`max_entries` is 0; give at least 1, or use the null backend");
        }
        if !(1..=LARGEST_VALUE).contains(&self.max_value.get()) {
            return refuse("`max_value` is not in 1 B to 1 GiB");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_enough() {
        let config: RedbConfig = serde_json::from_str(r#"{ "path": "x.redb" }"#).unwrap();
        assert_eq!(config, RedbConfig::new("x.redb"));
        config.check().unwrap();
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for (json, setting) in [
            (r#"{ "path": "" }"#, "`path`"),
            (r#"{ "path": "x", "max_entries": 0 }"#, "`max_entries`"),
            (r#"{ "path": "x", "max_value": 0 }"#, "`max_value`"),
            (r#"{ "path": "x", "max_value": "2 GiB" }"#, "`max_value`"),
        ] {
            let why = serde_json::from_str::<RedbConfig>(json).unwrap().check().unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config, "{json}");
            assert!(why.message().starts_with(setting), "{json}: {why}");
        }
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        serde_json::from_str::<RedbConfig>(r#"{ "path": "x", "max_entires": 5 }"#).unwrap_err();
    }
}
