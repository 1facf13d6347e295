//! `commitWithin` in the body of an update: a member in JSON, an attribute in XML. The body is read as it goes by, and not taken apart:
//! what is found in the text of a document only makes an answer live for a shorter time.

use std::time::Duration;

/// What is looked for.
const NAME: &[u8] = b"commitWithin";
/// How many bytes may stand between it and its number: quotes, white space, `:` or `=`.
const BETWEEN: usize = 64;

/// Reads a body piece by piece.
///
/// ```
/// # use larder_http::solr::WithinScanner;
/// let mut scanner = WithinScanner::default();
/// scanner.feed(br#"<add commitWit"#);
/// scanner.feed(br#"hin="500"><doc/></add>"#);
/// assert_eq!(scanner.longest(), Some(std::time::Duration::from_millis(500)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct WithinScanner {
    state: State,
    /// In milliseconds.
    longest: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many bytes of the name were read.
    Name(usize),
    /// All of it, and so many bytes after it.
    Between(usize),
    /// A part of the number.
    Number(u64),
}

impl Default for State {
    fn default() -> Self {
        Self::Name(0)
    }
}

impl WithinScanner {
    /// The next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.state = match (self.state, byte) {
                (State::Name(read), byte) => Self::name(read, byte),
                (State::Between(_), b'0'..=b'9') => State::Number(u64::from(byte - b'0')),
                (State::Between(read), b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b':' | b'=')
                    if read < BETWEEN =>
                {
                    State::Between(read + 1)
                }
                (State::Number(number), b'0'..=b'9') => {
                    State::Number(number.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
                }
                (State::Number(number), byte) => {
                    self.found(number);
                    Self::name(0, byte)
                }
                (State::Between(_), byte) => Self::name(0, byte),
            };
        }
    }

    /// The longest that was found: after this, all of the update is committed, if nothing else is said.
    pub fn longest(&self) -> Option<Duration> {
        let mut all = self.clone();
        if let State::Number(number) = all.state {
            all.found(number);
        }
        all.longest.map(Duration::from_millis)
    }

    /// The name begins with a letter that it does not have again.
    fn name(read: usize, byte: u8) -> State {
        if NAME.get(read) == Some(&byte) {
            if read + 1 == NAME.len() { State::Between(0) } else { State::Name(read + 1) }
        } else {
            State::Name(usize::from(byte == NAME[0]))
        }
    }

    fn found(&mut self, number: u64) {
        self.longest = Some(self.longest.unwrap_or(0).max(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(body: &str) -> Option<u64> {
        let mut whole = WithinScanner::default();
        whole.feed(body.as_bytes());
        let mut pieces = WithinScanner::default();
        body.as_bytes().chunks(1).for_each(|piece| pieces.feed(piece));
        assert_eq!(whole.longest(), pieces.longest(), "{body}");
        whole.longest().map(|longest| u64::try_from(longest.as_millis()).unwrap())
    }

    #[test]
    fn what_is_found() {
        for (body, found) in [
            (r#"{"add":{"doc":{},"commitWithin":500}}"#, Some(500)),
            (
                r#"{"add":{"commitWithin" : 500},"add":{"commitWithin":7000},"add":{"commitWithin":1}}"#,
                Some(7000),
            ),
            (r#"<add commitWithin="500"/>"#, Some(500)),
            ("<delete commitWithin = '500'>", Some(500)),
            ("commitWithin=500", Some(500)),
            ("ccommitWithin=5 commicommitWithin=6", Some(6)),
            ("commitWithin=99999999999999999999999999", Some(u64::MAX)),
            ("commitWithin", None),
            ("commitWithincommitWithin=3", Some(3)),
            (r#"{"text":"about commitWithin, of which 7 is one"}"#, None),
            ("commitwithin=5", None),
            ("", None),
        ] {
            assert_eq!(longest(body), found, "{body}");
        }
        assert_eq!(longest(&format!("commitWithin{}5", " ".repeat(BETWEEN + 1))), None);
    }
}
