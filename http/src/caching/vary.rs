//! Which fields of a request chose an answer, and whether another request would have got the same (RFC 9111, 4.1).

use http::{HeaderMap, HeaderName, header::VARY};
use serde::{Deserialize, Serialize};

/// What `Vary` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vary {
    /// The answer depends on these fields of the request, in alphabetical order; on none if it is empty.
    On(Vec<HeaderName>),
    /// It depends on more than that: `*`, what is no list of names, or more names than [`Vary::MAX`].
    Unknown,
}

impl Vary {
    /// The largest number of fields that one answer may depend on to be stored.
    pub const MAX: usize = 32;

    /// What the answer's fields say.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut names = Vec::new();
        let lines = headers.get_all(VARY).iter();
        for member in lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            match HeaderName::from_bytes(member) {
                Ok(name) if member != b"*" && names.len() < Self::MAX => names.push(name),
                _ => return Self::Unknown,
            }
        }
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self::On(names)
    }
}

/// The fields of a request that chose its answer, with their values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selecting(Vec<(String, Option<Vec<u8>>)>);

impl Selecting {
    /// What this request has in these fields.
    pub fn of(request: &HeaderMap, names: &[HeaderName]) -> Self {
        let value = |name: &HeaderName| (name.as_str().to_owned(), normal(request, name.as_str()));
        Self(names.iter().map(value).collect())
    }

    /// Whether this request has the same.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| normal(request, name) == *value)
    }
}

/// All lines of a field as one, with one spelling for the space around commas outside quotes.
fn normal(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let mut joined = Vec::new();
    for (number, line) in lines.enumerate() {
        if number > 0 {
            joined.push(b',');
        }
        without_space(line.as_bytes(), &mut joined);
    }
    Some(joined)
}

fn without_space(line: &[u8], into: &mut Vec<u8>) {
    let (mut quoted, mut escaped) = (false, false);
    // Spaces that may turn out to stand before a comma or at the end.
    let mut held: &[u8] = &[];
    let mut at_start = true;
    for (place, byte) in line.iter().enumerate() {
        let is_space = !quoted && matches!(byte, b' ' | b'\t');
        if is_space {
            if !at_start {
                let from = place - held.len();
                held = line.get(from..=place).unwrap_or_default();
            }
            continue;
        }
        if *byte != b',' || quoted {
            into.extend_from_slice(held);
        }
        held = &[];
        into.push(*byte);
        at_start = !quoted && *byte == b',';
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn vary(lines: &[&str]) -> Vary {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(VARY, line.parse().unwrap());
        }
        Vary::of(&headers)
    }

    #[test]
    fn what_vary_says() {
        let names = |names: &[&'static str]| {
            Vary::On(names.iter().map(|name| HeaderName::from_static(name)).collect())
        };
        assert_eq!(vary(&[]), names(&[]));
        assert_eq!(vary(&["Foo, bar", ",foo,"]), names(&["bar", "foo"]));
        for unknown in ["*", "*, *", ", *", "*, Foo", "Foo, *", "a b", "\u{e9}"] {
            assert_eq!(vary(&[unknown]), Vary::Unknown, "{unknown}");
        }
        assert_eq!(vary(&["", "*"]), Vary::Unknown);
        let many: Vec<_> = (0..=Vary::MAX).map(|n| format!("x{n}")).collect();
        assert_eq!(vary(&[&many.join(",")]), Vary::Unknown);
    }

    #[test]
    fn the_same_request() {
        let names = [HeaderName::from_static("foo"), HeaderName::from_static("bar")];
        let selecting = Selecting::of(&headers(&[("foo", "1, 2")]), &names);
        assert!(selecting.matches(&headers(&[("foo", "1,2"), ("other", "x")])));
        assert!(selecting.matches(&headers(&[("foo", " 1 ,\t2 ")])));
        let mut two_lines = headers(&[("foo", "1")]);
        two_lines.append("foo", "2".parse().unwrap());
        assert!(selecting.matches(&two_lines));
        for other in [
            &[("foo", "2, 1")][..],
            &[("foo", "1 2")],
            &[],
            &[("foo", "1, 2"), ("bar", "")],
            &[("foo", "1,, 2")],
        ] {
            assert!(!selecting.matches(&headers(other)), "{other:?}");
        }
    }

    #[test]
    fn space_within_a_value_or_quotes_counts() {
        let names = [HeaderName::from_static("foo")];
        let selecting = Selecting::of(&headers(&[("foo", "a  b, \"x , y\"")]), &names);
        assert!(selecting.matches(&headers(&[("foo", "a  b,\"x , y\"")])));
        assert!(!selecting.matches(&headers(&[("foo", "a b, \"x , y\"")])));
        assert!(!selecting.matches(&headers(&[("foo", "a  b, \"x,y\"")])));
        assert!(!selecting.matches(&headers(&[("foo", "a  b, \"x , y")])));
    }
}
