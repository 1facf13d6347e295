//! The settings of the store, and their checks.

use larder_core::{
    error::{Error, ErrorKind, Operation, Result},
    settings::ByteSize,
};
use serde::{Deserialize, Serialize};

use crate::bound::Bound;

/// The bound when neither of the two is configured, in entries.
pub const DEFAULT_MAX_ENTRIES: u64 = 100_000;

/// The settings of a [`MokaBackend`](crate::MokaBackend). At most one of the two bounds may be
/// given; with none the store keeps [`DEFAULT_MAX_ENTRIES`] entries.
///
/// ```
/// # use larder_moka::MokaConfig;
/// let config: MokaConfig = serde_json::from_str(r#"{ "max_bytes": "256 MiB" }"#).unwrap();
/// assert_eq!(config, MokaConfig::bytes(256 << 20));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MokaConfig {
    /// The most entries that are kept, at least 1. Right after a write it may be up to 2 % more. Default:
    /// 100 000, unless `max_bytes` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entries: Option<u64>,
    /// The most memory that the store may take, at least 1 byte: keys, values, metadata and its bookkeeping, as
    /// estimated when they are written. A single entry may take 96 % of it, up to 4 GiB. Default: not bounded
    /// by bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
}

impl MokaConfig {
    /// A store of at most so many entries.
    pub fn entries(max: u64) -> Self {
        Self { max_entries: Some(max), max_bytes: None }
    }

    /// A store of at most so many bytes.
    pub fn bytes(max: u64) -> Self {
        Self { max_entries: None, max_bytes: Some(ByteSize(max)) }
    }

    /// The one bound that was meant.
    pub(crate) fn bound(&self) -> Result<Bound> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::Config, Operation::Build, why));
        match (self.max_entries, self.max_bytes) {
            (Some(_), Some(_)) => refuse("max_entries and max_bytes are both given; choose one"),
            (Some(0), None) => refuse("max_entries is 0; give at least 1, or use the null backend"),
            (None, Some(ByteSize(0))) => refuse("max_bytes is 0; give some, or use the null backend"),
            (Some(entries), None) => Ok(Bound::Entries(entries)),
            (None, Some(ByteSize(bytes))) => Ok(Bound::Bytes(bytes)),
            (None, None) => Ok(Bound::Entries(DEFAULT_MAX_ENTRIES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bound_or_the_default() {
        assert_eq!(MokaConfig::default().bound().unwrap(), Bound::Entries(DEFAULT_MAX_ENTRIES));
        assert_eq!(MokaConfig::entries(7).bound().unwrap(), Bound::Entries(7));
        assert_eq!(MokaConfig::bytes(7).bound().unwrap(), Bound::Bytes(7));
    }

    #[test]
    fn both_bounds_or_an_empty_one_are_refused() {
        let both = MokaConfig { max_entries: Some(1), max_bytes: Some(ByteSize(1)) };
        for wrong in [both, MokaConfig::entries(0), MokaConfig::bytes(0)] {
            let why = wrong.bound().unwrap_err();
            assert_eq!(why.kind(), ErrorKind::Config, "{wrong:?}");
            assert!(why.message().contains("max_"), "{why}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let why = serde_json::from_str::<MokaConfig>(r#"{ "max_entires": 5 }"#).unwrap_err();
        assert!(why.to_string().contains("max_entries"), "{why}");
    }

    #[test]
    fn settings_are_written_as_they_are_read() {
        let config = MokaConfig::bytes(64 << 20);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"max_bytes":"64 MiB"}"#);
        assert_eq!(serde_json::from_str::<MokaConfig>(&text).unwrap(), config);
    }
}
