//! What a line says about a request: whether it reads or writes, and what was asked for.

use super::fields::{Fields, Role};

/// A request as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// Empty if the log does not say.
    pub(crate) method: &'a [u8],
    /// Path and query, or an absolute URL.
    pub(crate) target: &'a [u8],
}

/// What a cache does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It may be answered from a cache.
    Read,
    /// The same, but what it asks for stands in a body that the log does not have.
    ReadOfBody,
    /// It changes what its path names.
    Write,
    /// Neither: `OPTIONS` and the like.
    Other,
}

/// What a `POST` is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Post {
    /// A read where its path ends in the name of a search (_search, _msearch, _count, select, query, …), else a write.
    #[default]
    Auto,
    /// A read. Without its body the figures are upper bounds.
    Read,
    /// A write: it invalidates what was read from its path.
    Write,
}

/// What paths of searches end in: Elasticsearch, OpenSearch, Solr, GraphQL.
const SEARCHES: [&[u8]; 12] = [
    b"_search",
    b"_msearch",
    b"_count",
    b"_mget",
    b"_field_caps",
    b"_sql",
    b"_query",
    b"template",
    b"select",
    b"query",
    b"search",
    b"graphql",
];

impl<'a> Request<'a> {
    /// The request of a line; `None` if there is none that can be read.
    pub(crate) fn of(fields: &'a Fields) -> Option<Self> {
        let (method, target) = match (fields.get(Role::Target), fields.get(Role::RequestLine)) {
            (Some(target), _) => (fields.get(Role::Method).unwrap_or_default(), target),
            (None, Some(line)) => {
                let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
                (words.next()?, words.next()?)
            }
            (None, None) => return None,
        };
        let is_word = method.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
        (is_word && !target.is_empty()).then_some(Self { method, target })
    }

    /// What stands before the query.
    pub(crate) fn path(&self) -> &'a [u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }

    /// The query, without the `?`.
    pub(crate) fn args(&self) -> &'a [u8] {
        self.target.get(self.path().len() + 1..).unwrap_or_default()
    }

    /// Whether it reads or writes.
    pub(crate) fn kind(&self, post: Post) -> Kind {
        match self.method {
            [] | b"GET" | b"HEAD" => Kind::Read,
            b"PUT" | b"PATCH" | b"DELETE" => Kind::Write,
            b"POST" => match post {
                Post::Read => Kind::ReadOfBody,
                Post::Auto if self.is_search() => Kind::ReadOfBody,
                Post::Auto | Post::Write => Kind::Write,
            },
            b"QUERY" | b"SEARCH" => Kind::ReadOfBody,
            _ => Kind::Other,
        }
    }

    fn is_search(&self) -> bool {
        let path = self.path();
        let path = path.strip_suffix(b"/").unwrap_or(path);
        path.rsplit(|byte| *byte == b'/').next().is_some_and(|last| SEARCHES.contains(&last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(fields: &'a mut Fields, line: &str) -> Option<Request<'a>> {
        fields.clear(Role::ALL.len());
        fields.put(Role::RequestLine as usize, line.as_bytes());
        Request::of(fields)
    }

    #[test]
    fn request_lines() {
        let mut fields = Fields::default();
        let request = of(&mut fields, "GET /a?b=c?d HTTP/1.1").unwrap();
        assert_eq!((request.path(), request.args()), (&b"/a"[..], &b"b=c?d"[..]));
        let old = of(&mut fields, "GET /a").unwrap();
        assert_eq!((old.target, old.args()), (&b"/a"[..], &b""[..]));
        for junk in ["", "-", "GET", r"\x16\x03\x01 /", "{} /"] {
            assert_eq!(of(&mut fields, junk), None, "{junk}");
        }
    }

    #[test]
    fn reads_and_writes() {
        let kind = |method: &str, target: &str, post| {
            Request { method: method.as_bytes(), target: target.as_bytes() }.kind(post)
        };
        assert_eq!(kind("", "/", Post::Auto), Kind::Read);
        assert_eq!(kind("HEAD", "/", Post::Auto), Kind::Read);
        assert_eq!(kind("DELETE", "/x/_search", Post::Read), Kind::Write);
        assert_eq!(kind("POST", "/i/_search/?x=1", Post::Auto), Kind::ReadOfBody);
        assert_eq!(kind("POST", "/i/_doc", Post::Auto), Kind::Write);
        assert_eq!(kind("POST", "/i/_doc", Post::Read), Kind::ReadOfBody);
        assert_eq!(kind("POST", "/i/_search", Post::Write), Kind::Write);
        assert_eq!(kind("OPTIONS", "/", Post::Auto), Kind::Other);
    }
}
