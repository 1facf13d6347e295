//! nginx's `log_format`: text with `$variables`, compiled to what a line must look like. The combined format is one.

use super::fields::{Fields, Role, Wanted};

/// What nginx and Apache write unless told otherwise; of the common format, the last two fields are missing.
pub(crate) const COMBINED: &str = r#"$remote_addr $identity $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

/// After so many pieces, what is missing at the end of a line of the combined format is optional.
const COMBINED_NEEDS: usize = 7;

/// A compiled format.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// What stands before the first variable.
    lead: Vec<u8>,
    pieces: Vec<Piece>,
    /// So many variables must be there.
    needed: usize,
    micros_in_took: f64,
}

/// A variable and the text up to the next.
#[derive(Debug, Clone)]
struct Piece {
    places: Vec<usize>,
    /// What ends it; empty for the rest of the line.
    until: Vec<u8>,
    /// In quotes, a backslash takes away the meaning of what follows.
    is_quoted: bool,
}

impl Pattern {
    /// The combined and the common format.
    pub(crate) fn combined(wanted: &Wanted) -> Self {
        let mut pattern = Self::compile(COMBINED, wanted).unwrap_or_else(|_| Self::nothing());
        pattern.needed = COMBINED_NEEDS;
        pattern
    }

    fn nothing() -> Self {
        Self { lead: Vec::new(), pieces: Vec::new(), needed: 0, micros_in_took: 1e6 }
    }

    /// Compiles a `log_format`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn compile(format: &str, wanted: &Wanted) -> Result<Self, String> {
        let mut names = Vec::new();
        let mut texts = vec![String::new()];
        let mut rest = format;
        while let Some(at) = rest.find('$') {
            if let Some(text) = texts.last_mut() {
                text.push_str(&rest[..at]);
            }
            let (name, after) = variable(&rest[at + 1..])
                .ok_or_else(|| format!("after \"$\" in {rest:?} there is no name of a variable"))?;
            names.push(name.to_owned());
            texts.push(String::new());
            rest = after;
        }
        if let Some(text) = texts.last_mut() {
            text.push_str(rest);
        }
        if names.is_empty() {
            return Err("it has no variable; give it as nginx has it, such as '$remote_addr [$time_local] \"$request\"'".into());
        }
        if let Some(at) = (1..names.len()).find(|at| texts[*at].is_empty()) {
            return Err(format!(
                "between ${} and ${} there is nothing, so where one ends cannot be known",
                names[at - 1],
                names[at]
            ));
        }
        let columns = wanted.columns(&names);
        let took = columns.iter().position(|places| places.contains(&(Role::Took as usize)));
        let micros_in_took = took.map_or(1e6, |at| Wanted::micros_in(&names[at]));
        let is_quoted = |at: usize| texts[at].ends_with('"') && texts[at + 1].starts_with('"');
        let pieces = columns
            .iter()
            .enumerate()
            .map(|(at, places)| Piece {
                places: places.clone(),
                until: texts[at + 1].clone().into_bytes(),
                is_quoted: is_quoted(at),
            })
            .collect();
        Ok(Self { lead: texts[0].clone().into_bytes(), pieces, needed: names.len(), micros_in_took })
    }

    /// Takes a line apart. `false`: it is not of this format.
    pub(crate) fn read(&self, line: &[u8], fields: &mut Fields) -> bool {
        fields.micros_in_took = self.micros_in_took;
        let Some(mut rest) = line.strip_prefix(self.lead.as_slice()) else { return false };
        for (number, piece) in self.pieces.iter().enumerate() {
            let end = if piece.until.is_empty() {
                Some(rest.len())
            } else if piece.is_quoted {
                quoted_end(rest, &piece.until)
            } else {
                find(rest, &piece.until)
            };
            let is_last_needed = number + 1 >= self.needed;
            let (value, after) = match end {
                Some(end) => (&rest[..end], &rest[end + piece.until.len()..]),
                // The last that is needed may end the line.
                None if is_last_needed && !piece.is_quoted => (rest, &[][..]),
                None => return number >= self.needed,
            };
            for place in &piece.places {
                fields.put(*place, value);
            }
            rest = after;
        }
        true
    }
}

/// A name and what follows it: `$name` or `${name}`.
pub(crate) fn variable(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, rest) = braced.split_once('}')?;
        return (!name.is_empty()).then_some((name, rest));
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    match wanted {
        [] => Some(0),
        [only] => memchr::memchr(*only, text),
        // Where its first byte is rare, which it is between fields.
        [first, ..] => memchr::memchr_iter(*first, text).find(|at| text[*at..].starts_with(wanted)),
    }
}

/// Where a text in quotes ends: at what is wanted, unless a backslash stands before its quote.
fn quoted_end(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'\\', b'"', text.get(at..)?)?;
        if text[at] == b'\\' {
            at += 2;
        } else if text[at..].starts_with(wanted) {
            return Some(at);
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Option<&str>, line: &str) -> Option<[Option<String>; 4]> {
        let wanted = Wanted::default();
        let pattern = match format {
            Some(format) => Pattern::compile(format, &wanted).unwrap(),
            None => Pattern::combined(&wanted),
        };
        let mut fields = Fields::default();
        fields.clear(wanted.len());
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        pattern.read(line.as_bytes(), &mut fields).then(|| {
            [Role::Time, Role::RequestLine, Role::Bytes, Role::Took].map(|role| fields.get(role).map(text))
        })
    }

    #[allow(clippy::unnecessary_wraps)]
    fn some(texts: [&str; 4]) -> Option<[Option<String>; 4]> {
        Some(texts.map(|text| (!text.is_empty()).then(|| text.to_owned())))
    }

    #[test]
    fn combined_and_common() {
        let time = "01/Aug/1995:00:00:01 -0400";
        let line =
            format!(r#"::1 - bob [{time}] "GET /a?q=\"x\" HTTP/1.1" 200 17 "http://x/" "Mozilla (a \" b)""#);
        assert_eq!(read(None, &line), some([time, r#"GET /a?q=\"x\" HTTP/1.1"#, "17", ""]));
        let common = format!(r#"host - - [{time}] "GET / HTTP/1.0" 304 -"#);
        assert_eq!(read(None, &common), some([time, "GET / HTTP/1.0", "", ""]));
        for broken in
            ["", "host", "host - - [", r#"h - - [t] "GET / HTTP/1.0"#, r#"h - - [t] "GET / HTTP/1.0" 200"#]
        {
            assert_eq!(read(None, broken), None, "{broken}");
        }
    }

    #[test]
    fn a_format_that_is_given() {
        let format = r#"$msec|$upstream_response_time|${bytes_sent}|"$request""#;
        let line = r#"807256801.000|0.012|99|"GET / HTTP/1.1""#;
        assert_eq!(read(Some(format), line), some(["807256801.000", "GET / HTTP/1.1", "99", "0.012"]));
        assert_eq!(read(Some(format), "807256801.000|0.012"), None);
    }

    #[test]
    fn a_format_that_cannot_be_read_is_said_why() {
        let error = |format: &str| Pattern::compile(format, &Wanted::default()).unwrap_err();
        assert!(error("no variables").contains("it has no variable"));
        assert!(error("$a$b").contains("between $a and $b"));
        assert!(error("$a $").contains("no name"));
        assert!(error("${}").contains("no name"));
    }
}
