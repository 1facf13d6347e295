//! The settings of the codec, and their checks.

use larder_core::error::{Error, ErrorKind, Operation, Result};
use serde::{Deserialize, Serialize};

/// The level when none is configured.
pub const DEFAULT_LEVEL: u32 = 6;

/// The settings of a [`Gzip`](crate::Gzip) codec.
///
/// ```
/// # use larder_gzip::GzipConfig;
/// let config: GzipConfig = serde_json::from_str(r#"{ "level": 4 }"#).unwrap();
/// assert_eq!(config.level, 4);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct GzipConfig {
    /// How hard to try, from 0 (not at all: the bytes are only wrapped) to 9. It is a matter of writing alone.
    /// Default: 6.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 9)))]
    pub level: u32,
}

impl Default for GzipConfig {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL }
    }
}

impl GzipConfig {
    /// Of this level, 0 to 9.
    pub fn new(level: u32) -> Self {
        Self { level }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.level > 9 {
            let why = format!("level is {}; gzip has the levels 0 to 9", self.level);
            return Err(Error::new(ErrorKind::Config, Operation::Build, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_outside_of_gzip_are_refused() {
        GzipConfig { level: 9 }.check().unwrap();
        let why = GzipConfig { level: 10 }.check().unwrap_err();
        assert_eq!(why.kind(), ErrorKind::Config);
        assert!(why.message().contains("0 to 9"), "{why}");
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert_eq!(serde_json::from_str::<GzipConfig>("{}").unwrap(), GzipConfig::default());
        serde_json::from_str::<GzipConfig>(r#"{ "levle": 3 }"#).expect_err("a misspelt setting");
    }
}
