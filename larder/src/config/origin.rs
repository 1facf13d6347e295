//! Where a value came from: the layer, and the file, variable or line of code in it. figment carries this
//! beside every value as its metadata.

use std::fmt;

use figment::{Metadata, Source};

/// A layer of a configuration. Later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// What holds when nothing is said.
    BuiltIn,
    /// The configuration file.
    File,
    /// The section `[profiles.NAME]` of the configuration file.
    ProfileSection,
    /// The profile's file beside the configuration file: `larder.NAME.toml`.
    ProfileFile,
    /// The variables `LARDER_…__…`.
    Environment,
    /// What the program set.
    Program,
}

impl Layer {
    const ALL: [Self; 6] = [
        Self::BuiltIn,
        Self::File,
        Self::ProfileSection,
        Self::ProfileFile,
        Self::Environment,
        Self::Program,
    ];

    /// The name in figment's metadata.
    const fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::File => "file",
            Self::ProfileSection => "profile section",
            Self::ProfileFile => "profile file",
            Self::Environment => "environment",
            Self::Program => "program",
        }
    }
}

/// The layer a value came from, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// The layer.
    pub layer: Layer,
    /// The file, the variable, or the line of code. Empty for [`Layer::BuiltIn`].
    pub place: String,
}

impl Origin {
    pub(crate) const BUILT_IN: Self = Self { layer: Layer::BuiltIn, place: String::new() };

    pub(crate) fn new(layer: Layer, place: impl Into<String>) -> Self {
        Self { layer, place: place.into() }
    }

    pub(crate) fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.name()).source(Source::Custom(self.place.clone()))
    }

    pub(crate) fn of(metadata: &Metadata) -> Self {
        let layer = Layer::ALL.into_iter().find(|layer| layer.name() == metadata.name);
        let place = metadata.source.as_ref().map(ToString::to_string).unwrap_or_default();
        Self { layer: layer.unwrap_or(Layer::BuiltIn), place }
    }
}

/// In words that fit behind "set by".
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match self.layer {
            Layer::BuiltIn => f.write_str("built-in default"),
            Layer::File | Layer::ProfileFile => write!(f, "file {place}"),
            Layer::ProfileSection => write!(f, "profile section in file {place}"),
            Layer::Environment => write!(f, "environment variable {place}"),
            Layer::Program => write!(f, "program, {place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_back() {
        for layer in Layer::ALL {
            let origin = Origin::new(layer, "somewhere");
            assert_eq!(Origin::of(&origin.metadata()), origin);
        }
    }
}
