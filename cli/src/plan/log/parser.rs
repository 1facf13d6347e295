//! One line of a log to its fields, in each of the formats that are known.

use serde_json::Value;

use super::{
    bad::Bad,
    fields::{Fields, Role, Wanted},
    pattern::Pattern,
};

/// The format of a file.
#[derive(Debug, Clone)]
pub(crate) enum Parser {
    /// nginx's `log_format`, or the combined one.
    Pattern(Pattern),
    /// One JSON object a line.
    Json,
    /// Columns between tabs; the first line has their names.
    Tabs(Tabs),
}

/// Columns between tabs.
#[derive(Debug, Clone)]
pub(crate) struct Tabs {
    places: Vec<Vec<usize>>,
    micros_in_took: f64,
}

impl Parser {
    /// The format of a file that begins with this line, and whether the line only names its columns.
    pub(crate) fn detect(line: &[u8], wanted: &Wanted) -> (Self, bool) {
        if line.trim_ascii_start().first() == Some(&b'{') {
            return (Self::Json, false);
        }
        let is_header = |columns: &[String]| {
            let known = wanted.columns(columns);
            [Role::Time, Role::Target, Role::Key, Role::RequestLine]
                .into_iter()
                .filter(|role| known.iter().any(|places| places.contains(&(*role as usize))))
                .count()
                >= 2
        };
        let columns: Vec<String> = line
            .split(|byte| *byte == b'\t')
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        if columns.len() > 1 && is_header(&columns) {
            return (Self::tabs(&columns, wanted), true);
        }
        (Self::Pattern(Pattern::combined(wanted)), false)
    }

    /// Columns of these names.
    pub(crate) fn tabs(columns: &[String], wanted: &Wanted) -> Self {
        let places = wanted.columns(columns);
        let took = places.iter().position(|places| places.contains(&(Role::Took as usize)));
        let micros_in_took = took.map_or(1e6, |at| Wanted::micros_in(&columns[at]));
        Self::Tabs(Tabs { places, micros_in_took })
    }

    /// Takes a line apart.
    pub(crate) fn read(&self, line: &[u8], wanted: &Wanted, fields: &mut Fields) -> Result<(), Bad> {
        fields.clear(wanted.len());
        let is_read = match self {
            Self::Pattern(pattern) => pattern.read(line, fields),
            Self::Json => json(line, wanted, fields),
            Self::Tabs(tabs) => tabs.read(line, fields),
        };
        if is_read { Ok(()) } else { Err(Bad::Format) }
    }
}

impl Tabs {
    fn read(&self, line: &[u8], fields: &mut Fields) -> bool {
        fields.micros_in_took = self.micros_in_took;
        let mut columns = 0;
        for (text, places) in line.split(|byte| *byte == b'\t').zip(&self.places) {
            columns += 1;
            for place in places {
                fields.put(*place, text);
            }
        }
        // Empty columns at the end may be missing.
        columns > 1
    }
}

/// `serde_json` bounds the depth; the length of a line is bounded before.
fn json(line: &[u8], wanted: &Wanted, fields: &mut Fields) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(line) else { return false };
    let object = Value::Object(object);
    for place in 0..wanted.len() {
        for name in wanted.names(place) {
            let Some(text) = look_up(&object, name) else { continue };
            if place == Role::Took as usize {
                fields.micros_in_took = Wanted::micros_in(name);
            }
            fields.put(place, text.as_bytes());
            break;
        }
    }
    true
}

/// `request.uri` is the member `request.uri`, or `uri` of the object `request`.
fn look_up(object: &Value, name: &str) -> Option<String> {
    let found =
        object.get(name).or_else(|| name.split('.').try_fold(object, |object, name| object.get(name)))?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        // A list of names, such as what a request is about.
        Value::Array(items) => {
            let names: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            names.map(|names| names.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(first: &str, line: &str) -> Result<[Option<String>; 3], Bad> {
        let wanted = Wanted::default();
        let (parser, _) = Parser::detect(first.as_bytes(), &wanted);
        let mut fields = Fields::default();
        parser.read(line.as_bytes(), &wanted, &mut fields)?;
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        Ok([Role::Time, Role::Target, Role::Took].map(|role| fields.get(role).map(text)))
    }

    #[test]
    fn formats_are_recognised_by_the_first_line() {
        let wanted = Wanted::default();
        assert!(matches!(Parser::detect(br#" {"ts":1}"#, &wanted), (Parser::Json, false)));
        assert!(matches!(Parser::detect(b"time\turl\tbytes", &wanted), (Parser::Tabs(_), true)));
        assert!(matches!(Parser::detect(b"a\tb", &wanted), (Parser::Pattern(_), false)));
        assert!(matches!(Parser::detect(b"", &wanted), (Parser::Pattern(_), false)));
    }

    #[test]
    fn json_in_objects_and_flat() {
        let caddy = r#"{"ts":1.5,"request":{"method":"GET","uri":"/a b"},"duration":0.25,"size":3}"#;
        let some = |texts: [&str; 3]| Ok(texts.map(|text| Some(text.to_owned())));
        assert_eq!(fields("{", caddy), some(["1.5", "/a b", "0.25"]));
        let nginx = r#"{"time":"x","request_uri":"\/a","upstream_response_time":"0.1, 0.2"}"#;
        assert_eq!(fields("{", nginx), some(["x", "/a", "0.1, 0.2"]));
        for broken in ["", "[]", "{", "\u{0}", r#"{"a":1} x"#, &"[".repeat(100_000)] {
            assert_eq!(fields("{", broken), Err(Bad::Format));
        }
    }

    #[test]
    fn columns_that_are_missing_at_the_end() {
        let header = "host\ttime\turl\ttook_ms";
        let read = fields(header, "h\t1\t/").unwrap();
        assert_eq!(read, [Some("1".to_owned()), Some("/".to_owned()), None]);
        assert_eq!(fields(header, "half"), Err(Bad::Format));
    }
}
