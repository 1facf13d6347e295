//! Where a value came from: the layer, and the file with line and column, the variable, or the line of code.

use std::fmt;

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

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The line; the first is 1.
    pub line: usize,
    /// The column, in characters; the first is 1. In a line of more than 4 KiB, in bytes.
    pub column: usize,
}

impl Position {
    pub(crate) const fn new(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}

/// As editors and compilers write it: `3:14`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
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
    /// In a file, where the key stands, or where the section begins in which one is missing. `None` when it is about a
    /// file as a whole, and in the other layers.
    pub position: Option<Position>,
}

impl Origin {
    pub(crate) const BUILT_IN: Self = Self { layer: Layer::BuiltIn, place: String::new(), position: None };

    pub(crate) fn new(layer: Layer, place: impl Into<String>) -> Self {
        Self { layer, place: place.into(), position: None }
    }

    /// The same, at this position of the file.
    pub(crate) fn at(&self, position: Option<Position>) -> Self {
        Self { position, ..self.clone() }
    }
}

/// In words that fit behind "set by": `file larder.toml:3:14`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match self.layer {
            Layer::BuiltIn => f.write_str("built-in default"),
            Layer::File | Layer::ProfileFile => write!(f, "file {place}"),
            Layer::ProfileSection => write!(f, "profile section in file {place}"),
            Layer::Environment => write!(f, "environment variable {place}"),
            Layer::Program => write!(f, "program, {place}"),
        }?;
        self.position.map_or(Ok(()), |position| write!(f, ":{position}"))
    }
}
