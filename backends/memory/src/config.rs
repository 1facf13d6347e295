//! The settings of the store, and their checks.

use std::{path::PathBuf, time::Duration};

use larder_core::{
    backend::Bound,
    error::{Error, ErrorKind, Operation, Result},
    settings::{ByteSize, Span},
};
use serde::{Deserialize, Serialize};

use crate::snapshot::Settings;

/// The bound when neither of the two is configured, in entries.
pub const DEFAULT_MAX_ENTRIES: u64 = 100_000;

/// The size of a snapshot when none is configured, in bytes.
pub const DEFAULT_SNAPSHOT_MAX_BYTES: u64 = 64 << 20;
/// The age of a snapshot when none is configured.
pub const DEFAULT_SNAPSHOT_MAX_AGE: Duration = Duration::from_mins(10);

/// The settings of a [`MemoryBackend`](crate::MemoryBackend). At most one of the two bounds may be
/// given; with none the store keeps [`DEFAULT_MAX_ENTRIES`] entries.
///
/// ```
/// # use larder_memory::MemoryConfig;
/// let config: MemoryConfig = serde_json::from_str(r#"{ "max_bytes": "256 MiB" }"#).unwrap();
/// assert_eq!(config, MemoryConfig::bytes(256 << 20));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The most entries that are kept, at least 1. Default: 100 000, unless `max_bytes` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u64>,
    /// The most memory that the store may take, at least 1 byte: keys, values, metadata and its bookkeeping, as estimated when
    /// an entry is written and when it is encoded or decoded later. Default: not bounded by bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Where a clean close leaves the entries that are used most, for the next start, which reads them as stale and removes the
    /// file. A path of this store's own, in a folder that exists; a file `PATH.owner` stays beside it. A tier of a chain leaves
    /// and reads none. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<PathBuf>,
    /// The most bytes that a snapshot may have. Default: 64 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_max_bytes: Option<ByteSize>,
    /// A snapshot that is older than this is removed and not used. Default: 10 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_max_age: Option<Span>,
}

impl MemoryConfig {
    /// A store of up to this many entries.
    pub fn entries(max: u64) -> Self {
        Self { max_entries: Some(max), ..Self::default() }
    }

    /// A store of up to this many bytes.
    pub fn bytes(max: u64) -> Self {
        Self { max_bytes: Some(ByteSize(max)), ..Self::default() }
    }

    /// The same, leaving a snapshot there when it is closed, and beginning with the one that is there.
    #[must_use]
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    /// The same without a snapshot: for a tier of a chain, which would bring back what its far tier has lost meanwhile.
    #[must_use]
    pub fn without_snapshot(mut self) -> Self {
        (self.snapshot, self.snapshot_max_bytes, self.snapshot_max_age) = (None, None, None);
        self
    }

    /// The one bound that was meant.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when both bounds are given, or one that is zero.
    pub fn bound(&self) -> Result<Bound> {
        match (self.max_entries, self.max_bytes) {
            (Some(_), Some(_)) => refuse("max_entries and max_bytes are both given; choose one"),
            (Some(0), None) => refuse("max_entries is 0; give at least 1, or use the null backend"),
            (None, Some(ByteSize(0))) => {
                refuse("max_bytes is 0; give a size like \"64 MiB\", or use the null backend")
            }
            (Some(entries), None) => Ok(Bound::Entries(entries)),
            (None, Some(ByteSize(bytes))) => Ok(Bound::Bytes(bytes)),
            (None, None) => Ok(Bound::Entries(DEFAULT_MAX_ENTRIES)),
        }
    }

    /// What is said of snapshots, if there is one.
    pub(crate) fn snapshot_settings(&self) -> Result<Option<Settings>> {
        let Some(path) = &self.snapshot else {
            return match (self.snapshot_max_bytes, self.snapshot_max_age) {
                (None, None) => Ok(None),
                _ => {
                    refuse("snapshot_max_bytes or snapshot_max_age is given, and snapshot, the path, is not")
                }
            };
        };
        let max_bytes = self.snapshot_max_bytes.map_or(DEFAULT_SNAPSHOT_MAX_BYTES, ByteSize::get);
        let max_age = self.snapshot_max_age.map_or(DEFAULT_SNAPSHOT_MAX_AGE, Span::get);
        if path.file_name().is_none() {
            return refuse(
                "snapshot is not the path of a file; give one like \"/var/cache/shop/near.snapshot\"",
            );
        }
        if max_bytes == 0 || max_age.is_zero() {
            return refuse(
                "snapshot_max_bytes and snapshot_max_age must be greater than zero; leave snapshot out to have none",
            );
        }
        Ok(Some(Settings { path: path.clone(), max_bytes, max_age }))
    }
}

fn refuse<T>(why: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Config, Operation::Build, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_or_the_default() {
        assert_eq!(MemoryConfig::default().bound().unwrap(), Bound::Entries(DEFAULT_MAX_ENTRIES));
        assert_eq!(MemoryConfig::entries(7).bound().unwrap(), Bound::Entries(7));
        assert_eq!(MemoryConfig::bytes(7).bound().unwrap(), Bound::Bytes(7));
    }

    #[test]
    fn both_bounds_or_an_empty_one_are_refused() {
        let both = MemoryConfig { max_bytes: Some(ByteSize(1)), ..MemoryConfig::entries(1) };
        for wrong in [both, MemoryConfig::entries(0), MemoryConfig::bytes(0)] {
            let why = wrong.bound().unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config, "{wrong:?}");
            assert!(why.message().contains("max_"), "{why}");
        }
    }

    #[test]
    fn a_snapshot_has_a_path_and_bounds() {
        assert!(MemoryConfig::default().snapshot_settings().unwrap().is_none());
        let config = MemoryConfig::default().snapshot("/tmp/near");
        let settings = config.snapshot_settings().unwrap().unwrap();
        let expected = (DEFAULT_SNAPSHOT_MAX_BYTES, DEFAULT_SNAPSHOT_MAX_AGE);
        assert_eq!((settings.max_bytes, settings.max_age), expected);
        assert!(config.clone().without_snapshot().snapshot_settings().unwrap().is_none());
        for wrong in [
            MemoryConfig::default().snapshot(""),
            MemoryConfig::default().snapshot("/"),
            MemoryConfig { snapshot_max_bytes: Some(ByteSize(0)), ..config.clone() },
            MemoryConfig { snapshot_max_age: Some(Span(Duration::ZERO)), ..config.clone() },
            MemoryConfig { snapshot: None, snapshot_max_age: Some(Span(Duration::from_secs(1))), ..config },
        ] {
            let why = wrong.snapshot_settings().unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config, "{wrong:?}");
            assert!(why.message().contains("snapshot"), "{why}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let why = serde_json::from_str::<MemoryConfig>(r#"{ "max_entires": 5 }"#).unwrap_err();
        assert!(why.to_string().contains("max_entries"), "{why}");
    }

    #[test]
    fn settings_are_written_as_they_are_read() {
        let config = MemoryConfig::bytes(64 << 20);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"max_bytes":"64 MiB"}"#);
        assert_eq!(serde_json::from_str::<MemoryConfig>(&text).unwrap(), config);
    }
}
