//! The path of a key in a configuration: `stores.main.url`. It is shown in every message, so what an odd key
//! holds (dots, line breaks, a megabyte of text) is quoted and bounded.

use std::fmt::{self, Write as _};

use super::{secrecy, text};

/// Where a value stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    pub(crate) fn new<S: Into<String>>(keys: impl IntoIterator<Item = S>) -> Self {
        Self(keys.into_iter().map(|key| Segment::Key(key.into())).collect())
    }

    /// This path and one key more.
    pub(crate) fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.push(Segment::Key(key.to_owned()));
        longer
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether the name of the setting at this path says that its value must not be shown.
    pub(crate) fn is_telling(&self) -> bool {
        let tells = |segment: &Segment| segment.as_key().is_some_and(secrecy::is_telling);
        // The first is a section; where sections have names that somebody gave, so is the second.
        let first = self.0.first().and_then(Segment::as_key).unwrap_or_default();
        let named = ["stores", "codecs", "caches"].contains(&first);
        self.0.iter().skip(if named { 2 } else { 1 }).any(tells)
    }

    /// Whether the setting at this path is a file, by its name.
    pub(crate) fn names_a_file(&self) -> bool {
        let last = self.0.iter().rev().find_map(Segment::as_key).unwrap_or_default();
        last.ends_with("_file") || last == "file"
    }

    /// The steps of this path below `start`, as long as they are keys.
    pub(crate) fn keys_below(&self, start: &Self) -> Vec<&str> {
        let below = self.0.get(start.0.len()..).unwrap_or_default();
        below.iter().map_while(Segment::as_key).collect()
    }

    /// Reads a path as [`Display`](fmt::Display) writes it: keys separated by dots, in quotes where they hold
    /// something else than letters, digits, `-` and `_`.
    pub(crate) fn parse(path: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}; write it like \"stores.main.url\""));
        let mut keys = Vec::new();
        let mut rest = path;
        loop {
            let (key, after) = if let Some(quoted) = rest.strip_prefix('"') {
                let Some((key, after)) = quoted.split_once('"') else {
                    return wrong("a quote is not closed");
                };
                (key, after)
            } else {
                rest.split_at(rest.find('.').unwrap_or(rest.len()))
            };
            if key.is_empty() {
                return wrong("a part of the path is empty");
            }
            keys.push(key);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(Self::new(keys)),
                None => return wrong("a dot is missing after a quote"),
            }
        }
    }
}

impl Segment {
    pub(crate) fn as_key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_char('.')?;
                    }
                    if !key.is_empty() && key.chars().all(is_bare) && key.len() <= text::LONGEST {
                        f.write_str(key)?;
                    } else {
                        f.write_str(&secrecy::quoted(key))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_bare(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_parsed() {
        for path in ["a", "stores.main.url", "caches.\"a.b\".ttl", "a-b.c_d"] {
            assert_eq!(KeyPath::parse(path).unwrap().to_string(), path);
        }
        for bad in ["", ".", "a.", "a..b", "\"a", "\"a\"b", "a.\"\""] {
            KeyPath::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn odd_keys_are_quoted_and_bounded() {
        assert_eq!(KeyPath::new(["a", "b\nc"]).to_string(), r#"a."b\nc""#);
        assert!(KeyPath::new(["x".repeat(1_000_000)]).to_string().len() < 100);
        let mut servers = KeyPath::new(["servers"]);
        servers.push(Segment::Index(1));
        assert_eq!(servers.to_string(), "servers[1]");
    }
}
