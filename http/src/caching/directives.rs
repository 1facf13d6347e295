//! The list of directives in a `Cache-Control` field, piece by piece (RFC 9111, 5.2). Nothing is allocated for them, and
//! what is no directive is passed on as such, so that a reader may decide in which direction to err.

use http::{HeaderMap, HeaderName};

/// One directive, as it stands in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directive<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
    /// Whether it follows the grammar: a token, no space around `=`, a value that is a token or a quoted string.
    well_formed: bool,
}

impl<'a> Directive<'a> {
    /// Whether this is its name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The bytes after `=`, without quotes. An escape in a quoted string is left as is: no directive needs one.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// Whether it follows the grammar. One that does not may forbid something and never allows anything.
    pub fn is_well_formed(&self) -> bool {
        self.well_formed
    }
}

/// The largest number of seconds that is kept: 2^31, some 68 years (RFC 9111, 1.2.2).
pub const MAX_SECONDS: u64 = 1 << 31;

/// A number of seconds (RFC 9111, 1.2.2): digits and nothing else. A larger one than [`MAX_SECONDS`] is that.
///
/// ```
/// use larder_http::caching::directives::{MAX_SECONDS, seconds};
/// assert_eq!(seconds(b"003600"), Some(3600));
/// assert_eq!(seconds(b"99999999999999999999999"), Some(MAX_SECONDS));
/// assert_eq!(seconds(b"1.5"), None);
/// assert_eq!(seconds(b""), None);
/// ```
pub fn seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add).min(MAX_SECONDS))
}

/// Every directive of every line of this field, in order. One whose quoted string does not end is the last of its line
/// and not well-formed.
pub fn directives<'a>(headers: &'a HeaderMap, field: &HeaderName) -> impl Iterator<Item = Directive<'a>> {
    headers.get_all(field).iter().flat_map(|line| Line { rest: line.as_bytes() })
}

struct Line<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Line<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (member, closed) = self.member();
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(directive(member, closed));
            }
        }
    }
}

impl<'a> Line<'a> {
    /// What stands before the next comma that is not quoted, and whether all quotes were closed.
    fn member(&mut self) -> (&'a [u8], bool) {
        let (mut quoted, mut escaped) = (false, false);
        for (place, byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    let member = self.rest.get(..place).unwrap_or_default();
                    self.rest = self.rest.get(place + 1..).unwrap_or_default();
                    return (member, true);
                }
                _ => {}
            }
        }
        (std::mem::take(&mut self.rest), !quoted)
    }
}

fn directive(member: &[u8], closed: bool) -> Directive<'_> {
    let Some(equals) = member.iter().position(|byte| *byte == b'=') else {
        return Directive { name: member, value: None, well_formed: closed && is_token(member) };
    };
    let (name, value) = member.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    let (inner, quoted) = unquoted(value);
    Directive {
        name: name.trim_ascii_end(),
        value: Some(inner),
        well_formed: closed && is_token(name) && (quoted || is_token(value)),
    }
}

/// What stands between quotes, if the whole value is a quoted string.
fn unquoted(value: &[u8]) -> (&[u8], bool) {
    let trimmed = value.trim_ascii();
    match trimmed.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) {
        Some(inner) => (inner, trimmed.len() == value.len()),
        None => (trimmed, false),
    }
}

/// Whether these bytes are a token (RFC 9110, 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;

    use super::*;

    fn of(lines: &[&str]) -> Vec<(String, Option<String>, bool)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, line.parse().unwrap());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        directives(&headers, &CACHE_CONTROL)
            .map(|found| (text(found.name), found.value().map(text), found.is_well_formed()))
            .collect()
    }

    fn one(line: &str) -> (String, Option<String>, bool) {
        let mut all = of(&[line]);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn lists_over_several_lines() {
        let names = of(&["a, ,b=1,", "", ",c=\"x, y\" , d"]);
        let names: Vec<_> = names.iter().map(|(name, value, _)| (&**name, value.as_deref())).collect();
        assert_eq!(names, [("a", None), ("b", Some("1")), ("c", Some("x, y")), ("d", None)]);
    }

    #[test]
    fn what_is_quoted_is_no_directive() {
        assert_eq!(one(r#"ext="max-age=3600, no-store""#).1.unwrap(), "max-age=3600, no-store");
        assert_eq!(one(r#"ext="a\", no-store""#).1.unwrap(), r#"a\", no-store"#);
    }

    #[test]
    fn what_does_not_follow_the_grammar_says_so() {
        assert!(one("max-age=1").2 && one("max-age=\"1\"").2 && one("x").2);
        for line in ["max-age =1", "max-age= 1", "max-age=", "a b", "a=\"b", "=1", "a=\"b\"c", "a=b c"] {
            assert!(!one(line).2, "{line}");
        }
        // The name is found all the same.
        assert_eq!(one("no-store =1").0, "no-store");
    }
}
