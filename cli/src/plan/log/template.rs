//! The template of a key: text with `$variables`, such as `$org|$path?$args{q,start}`.

use super::{
    fields::{Fields, Wanted},
    pattern::variable,
    request::Request,
};

/// How the key of a request is made.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    /// The target as it was sent: path and query.
    Target,
    /// What stands before the `?`.
    Path,
    /// The query.
    Args,
    /// These arguments of the query, in this order, as `name=value`.
    ArgsOf(Vec<Vec<u8>>),
    Method,
    /// A field of the log.
    Field(usize),
}

impl Template {
    /// Reads a template; the fields that it names are wanted from then on.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn compile(text: &str, wanted: &mut Wanted) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            parts.push(Part::Text(rest[..at].into()));
            let (name, after) = variable(&rest[at + 1..]).ok_or_else(|| {
                format!("after \"$\" in {rest:?} there is no name; write ${{name}} for a field, or $path, $args, $args{{a,b}}, $target, $method")
            })?;
            rest = after;
            parts.push(match name {
                "target" | "request_uri" => Part::Target,
                "path" => Part::Path,
                "method" => Part::Method,
                "args" => match after.strip_prefix('{') {
                    Some(list) => {
                        let (names, after) =
                            list.split_once('}').ok_or("after \"$args{\" there is no \"}\"")?;
                        rest = after;
                        Part::ArgsOf(names.split(',').map(|name| name.trim().into()).collect())
                    }
                    None => Part::Args,
                },
                _ => Part::Field(wanted.name(name)),
            });
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| *part != Part::Text(Vec::new()));
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Err("it names nothing of a request, so all would have one key; try '$path?$args'".into());
        }
        Ok(Self { parts })
    }

    /// Whether the template names a field of the log whose name says that it has to do with the body.
    pub(crate) fn knows_bodies(&self, wanted: &Wanted) -> bool {
        let is_of_body = |place: &usize| {
            wanted
                .names(*place)
                .iter()
                .any(|name| ["body", "hash", "digest"].iter().any(|word| name.contains(word)))
        };
        self.parts.iter().any(|part| matches!(part, Part::Field(place) if is_of_body(place)))
    }

    /// Writes the key of a request. `false`: a field that is named is not there.
    pub(crate) fn write(&self, request: &Request<'_>, fields: &Fields, key: &mut Vec<u8>) -> bool {
        let mut is_whole = true;
        for part in &self.parts {
            match part {
                Part::Text(text) => key.extend_from_slice(text),
                Part::Target => key.extend_from_slice(request.target),
                Part::Path => key.extend_from_slice(request.path()),
                Part::Args => key.extend_from_slice(request.args()),
                Part::ArgsOf(names) => write_args(names, request.args(), key),
                Part::Method => key.extend_from_slice(request.method),
                Part::Field(place) => match fields.at(*place) {
                    Some(text) => key.extend_from_slice(text),
                    None => is_whole = false,
                },
            }
        }
        is_whole
    }
}

/// The arguments of these names, in the order of the names; those of one name in the order in which they were sent.
fn write_args(names: &[Vec<u8>], args: &[u8], key: &mut Vec<u8>) {
    let mut is_first = true;
    for name in names {
        for arg in args.split(|byte| *byte == b'&') {
            let own = arg.split(|byte| *byte == b'=').next().unwrap_or_default();
            if own == name.as_slice() {
                if !is_first {
                    key.push(b'&');
                }
                is_first = false;
                key.extend_from_slice(arg);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(template: &str, target: &str, org: &str) -> (String, bool) {
        let mut wanted = Wanted::default();
        let template = Template::compile(template, &mut wanted).unwrap();
        let mut fields = Fields::default();
        fields.clear(wanted.len());
        let place = wanted.name("org");
        fields.put(place, org.as_bytes());
        let request = Request { method: b"GET", target: target.as_bytes() };
        let mut key = Vec::new();
        let is_whole = template.write(&request, &fields, &mut key);
        (String::from_utf8(key).unwrap(), is_whole)
    }

    #[test]
    fn parts_of_a_request() {
        let target = "/nodes?start=10&x=1&q=name:*&q=b";
        assert_eq!(key("$org|$path?$args{q,start}", target, "acme").0, "acme|/nodes?q=name:*&q=b&start=10");
        assert_eq!(key("$target", target, "").0, target);
        assert_eq!(key("$method $path", target, "").0, "GET /nodes");
        assert_eq!(key("${org}x$args", "/a?b", "o").0, "oxb");
        assert_eq!(key("$path?$args{q}", "/a", "").0, "/a?");
    }

    #[test]
    fn what_is_not_there_is_empty_and_said() {
        assert_eq!(key("$org|$path", "/a", "-"), ("|/a".to_owned(), false));
        assert_eq!(key("$org|$path", "/a", "o"), ("o|/a".to_owned(), true));
    }

    #[test]
    fn templates_that_cannot_be() {
        let error = |text: &str| Template::compile(text, &mut Wanted::default()).unwrap_err();
        assert!(error("").contains("all would have one key"));
        assert!(error("text").contains("all would have one key"));
        assert!(error("$").contains("no name"));
        assert!(error("$args{q").contains('}'));
    }
}
