//! The settings of the codec, and their checks.

use std::path::PathBuf;

use larder_core::error::{Error, ErrorKind, Operation, Result};
use serde::{Deserialize, Serialize};

/// The level when none is configured.
pub const DEFAULT_LEVEL: i32 = 3;

/// The settings of a [`Zstd`](crate::Zstd) codec.
///
/// ```
/// # use larder_zstd::ZstdConfig;
/// let config: ZstdConfig = serde_json::from_str(r#"{ "level": 1 }"#).unwrap();
/// assert_eq!(config.level, 1);
/// assert!(config.dictionary.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ZstdConfig {
    /// How hard to try, from 1 to 22. From 9 on it is slower than gzip, from 20 on it takes hundreds of
    /// megabytes for large values. It is a matter of writing alone. Default: 3.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 22)))]
    pub level: i32,
    /// The file of the trained dictionary that is written with, at most 1 MiB; it is read from, too. Read once,
    /// when the codec is made. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<PathBuf>,
    /// The files of further dictionaries that values may have been written with, at most 1 MiB each: the ones
    /// used before, and the next one, until every process has it. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_dictionaries: Vec<PathBuf>,
}

impl Default for ZstdConfig {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL, dictionary: None, more_dictionaries: Vec::new() }
    }
}

impl ZstdConfig {
    /// Of this level, 1 to 22, without a dictionary.
    pub fn new(level: i32) -> Self {
        Self { level, ..Self::default() }
    }

    /// The same, writing with the dictionary in this file.
    #[must_use]
    pub fn dictionary(mut self, path: impl Into<PathBuf>) -> Self {
        self.dictionary = Some(path.into());
        self
    }

    /// The same, reading also what was written with the dictionary in this file.
    #[must_use]
    pub fn also_reading(mut self, path: impl Into<PathBuf>) -> Self {
        self.more_dictionaries.push(path.into());
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=22).contains(&self.level) {
            let why = format!("level is {}; zstd has the levels 1 to 22", self.level);
            return Err(Error::new(ErrorKind::Config, Operation::Build, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_outside_of_zstd_are_refused() {
        for level in [1, 22] {
            ZstdConfig { level, ..ZstdConfig::default() }.check().unwrap();
        }
        for level in [-5, 0, 23] {
            let why = ZstdConfig { level, ..ZstdConfig::default() }.check().unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config);
            assert!(why.message().contains("1 to 22"), "{why}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert_eq!(serde_json::from_str::<ZstdConfig>("{}").unwrap(), ZstdConfig::default());
        serde_json::from_str::<ZstdConfig>(r#"{ "dict": "x" }"#).expect_err("a setting that is not there");
    }
}
