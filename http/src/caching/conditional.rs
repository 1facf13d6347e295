//! Requests with conditions: those of clients, answered from what is stored, and those that the cache makes of its own to
//! validate what is stored (RFC 9110, 13; RFC 9111, 4.3).

use http::{
    HeaderMap, HeaderName,
    header::{
        DATE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
    },
};

use super::{Stored, date::DateField};

/// Conditions that only the origin evaluates (RFC 9111, 4.3.2): a request with one of them is passed.
pub const FOR_THE_ORIGIN: [HeaderName; 3] = [IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE];

/// Whether a client that sent these conditions has what is stored, so that a 304 is the answer. `If-None-Match` goes before
/// `If-Modified-Since`; only a 200 is subject to conditions.
pub fn not_modified(request: &HeaderMap, stored: &Stored) -> bool {
    if stored.status != http::StatusCode::OK {
        return false;
    }
    if request.contains_key(IF_NONE_MATCH) {
        let ours = stored.headers.get(ETAG).map(http::HeaderValue::as_bytes);
        return request.get_all(IF_NONE_MATCH).iter().any(|line| names(line.as_bytes(), ours));
    }
    let Some(since) = DateField::of(request, &IF_MODIFIED_SINCE).at() else { return false };
    let modified = match DateField::of(&stored.headers, &LAST_MODIFIED) {
        DateField::At(modified) => Some(modified),
        DateField::Absent => DateField::of(&stored.headers, &DATE).at(),
        DateField::Invalid => None,
    };
    modified.is_some_and(|modified| modified <= since)
}

/// Whether a request's `If-None-Match` names this entity tag, which has its quotes.
pub fn names_tag(request: &HeaderMap, tag: &[u8]) -> bool {
    request.get_all(IF_NONE_MATCH).iter().any(|line| names(line.as_bytes(), Some(tag)))
}

/// Whether a list of entity tags has this one, by the weak comparison (RFC 9110, 8.8.3.2), or is `*`.
fn names(list: &[u8], ours: Option<&[u8]>) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let Some(ours) = ours else { return false };
    tags(list).any(|tag| opaque(tag) == opaque(ours.trim_ascii()))
}

/// The members of a list; a comma between quotes is part of a tag, and tags have no escapes.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    list.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|tag| !tag.is_empty())
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether the upstream can be asked if this is still right.
pub fn can_be_validated(stored: &Stored) -> bool {
    stored.headers.contains_key(ETAG) || stored.headers.contains_key(LAST_MODIFIED)
}

/// Makes the request ask whether this is still right (RFC 9111, 4.3.1). The client's own conditions are taken away: they are
/// evaluated on the outcome.
pub fn validate(request: &mut HeaderMap, stored: &Stored) {
    for (theirs, ours) in [(IF_NONE_MATCH, ETAG), (IF_MODIFIED_SINCE, LAST_MODIFIED)] {
        request.remove(&theirs);
        if let Some(value) = stored.headers.get(ours) {
            request.insert(theirs, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caching::{freshness::Freshness, vary::Selecting};

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn stored(fields: &[(&'static str, &str)]) -> Stored {
        Stored {
            status: http::StatusCode::OK,
            headers: headers(fields),
            selecting: Selecting::default(),
            received: 0,
            freshness: Freshness::default(),
        }
    }

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NEW: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn entity_tags() {
        let is = |asked: &str, tag: &str| {
            not_modified(&headers(&[("if-none-match", asked)]), &stored(&[("etag", tag)]))
        };
        for (asked, tag) in [
            ("\"a\"", "\"a\""),
            ("W/\"a\"", "\"a\""),
            ("\"a\"", "W/\"a\""),
            ("\"x\", \"a,b\" ,\"y\"", "\"a,b\""),
            ("*", "\"a\""),
            ("a", "a"),
        ] {
            assert!(is(asked, tag), "{asked} {tag}");
        }
        for (asked, tag) in
            [("\"a\"", "\"b\""), ("\"a,b\"", "\"a\""), ("w/\"a\"", "\"a\""), ("", "\"a\""), ("a", "\"a\"")]
        {
            assert!(!is(asked, tag), "{asked} {tag}");
        }
        assert!(!not_modified(&headers(&[("if-none-match", "\"a\"")]), &stored(&[])));
    }

    #[test]
    fn dates() {
        let is = |asked: &[(&'static str, &str)], ours: &[(&'static str, &str)]| {
            not_modified(&headers(asked), &stored(ours))
        };
        assert!(is(&[("if-modified-since", OLD)], &[("last-modified", OLD)]));
        assert!(is(&[("if-modified-since", NEW)], &[("last-modified", OLD)]));
        assert!(!is(&[("if-modified-since", OLD)], &[("last-modified", NEW)]));
        assert!(is(&[("if-modified-since", NEW)], &[("date", OLD)]));
        assert!(!is(&[("if-modified-since", NEW)], &[("last-modified", "x"), ("date", OLD)]));
        assert!(!is(&[("if-modified-since", "yesterday")], &[("last-modified", OLD)]));
        // The tag goes first.
        assert!(!is(
            &[("if-modified-since", NEW), ("if-none-match", "\"b\"")],
            &[("last-modified", OLD), ("etag", "\"a\"")]
        ));
    }

    #[test]
    fn only_a_200_is_subject_to_conditions() {
        let missing = Stored { status: http::StatusCode::NOT_FOUND, ..stored(&[("etag", "\"a\"")]) };
        assert!(!not_modified(&headers(&[("if-none-match", "\"a\"")]), &missing));
    }

    #[test]
    fn requests_that_validate() {
        let mut request = headers(&[("if-none-match", "\"theirs\""), ("if-modified-since", NEW), ("a", "1")]);
        validate(&mut request, &stored(&[("etag", "\"ours\"")]));
        assert_eq!(request, headers(&[("if-none-match", "\"ours\""), ("a", "1")]));
    }
}
