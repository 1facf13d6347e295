//! A document: a piece of source code, whose it is and where it stands.

use std::fmt;

/// The longest name of an organisation, in bytes.
pub(crate) const MAX_ORG: usize = 64;
/// The longest path, in bytes. With the organisation before it, it still fits into a tag.
pub(crate) const MAX_PATH: usize = 180;
/// The longest text, in bytes. Longer source files are tables that a program wrote.
pub(crate) const MAX_TEXT: usize = 256 * 1024;

/// A piece of source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    org: String,
    path: String,
    text: String,
}

impl Document {
    /// A document, if everything about it is within bounds.
    pub(crate) fn new(org: String, path: String, text: String) -> Result<Self, Unfit> {
        if !is_org(&org) {
            return Err(Unfit::Org);
        }
        if path.is_empty() || path.len() > MAX_PATH || path.chars().any(char::is_control) {
            return Err(Unfit::Path);
        }
        if text.len() > MAX_TEXT {
            return Err(Unfit::Text);
        }
        Ok(Self { org, path, text })
    }

    /// The name of this document among all: its organisation and its path.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.org, self.path)
    }

    /// Whose it is. For a crate's source, the crate.
    pub(crate) fn org(&self) -> &str {
        &self.org
    }

    /// Where it stands among what its organisation has.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The source itself.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Whether this can be the name of an organisation: 1 to 64 of `A-Z a-z 0-9 - _ .`. It has no `/`, so that an id can
/// be taken apart in only one way.
pub(crate) fn is_org(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_ORG).contains(&name.len()) && name.bytes().all(allowed)
}

/// Why something is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The organisation is not a name.
    Org,
    /// The path is empty, too long, or has control characters.
    Path,
    /// The text is too long.
    Text,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Org => write!(f, "org must have 1 to {MAX_ORG} of the characters A-Z a-z 0-9 - _ ."),
            Self::Path => write!(f, "path must have 1 to {MAX_PATH} bytes and no control characters"),
            Self::Text => write!(f, "text must have at most {MAX_TEXT} bytes"),
        }
    }
}

impl std::error::Error for Unfit {}
