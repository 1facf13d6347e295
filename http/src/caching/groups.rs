//! Cache groups (RFC 9875): answers of one origin that become invalid together.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, List, ListEntry, Parser};

/// `Cache-Groups`: the groups that an answer belongs to.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// `Cache-Group-Invalidation`: the groups that an answer to an unsafe method makes invalid.
pub const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// More groups than this are ignored. RFC 9875 wants room for 32 at least, of 32 characters.
pub const MAX_GROUPS: usize = 32;
/// A longer name, in bytes, is ignored.
pub const MAX_NAME: usize = 128;
/// A longer field, in bytes, is ignored.
const MAX_FIELD: usize = 16 * 1024;

/// The names in one of the two fields, in order; none if it is no list. What in it is no string, or too long, is left out.
///
/// ```
/// # use http::HeaderMap;
/// # use larder_http::caching::groups::{CACHE_GROUPS, groups};
/// let mut answer = HeaderMap::new();
/// answer.insert(CACHE_GROUPS, "\"scripts\", token, \"a,b\";x".parse().unwrap());
/// assert_eq!(groups(&answer, &CACHE_GROUPS), ["scripts", "a,b"]);
/// ```
pub fn groups(headers: &HeaderMap, field: &HeaderName) -> Vec<String> {
    let mut text = Vec::new();
    for line in headers.get_all(field) {
        if text.len() + line.len() > MAX_FIELD {
            return Vec::new();
        }
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(line.as_bytes());
    }
    let Ok(list) = Parser::new(&text).parse::<List>() else { return Vec::new() };
    let mut names = Vec::new();
    for member in list {
        if let ListEntry::Item(item) = member
            && let BareItem::String(name) = item.bare_item
            && name.as_str().len() <= MAX_NAME
            && names.len() < MAX_GROUPS
        {
            names.push(name.as_str().to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_has_none() {
        for field in ["", "\"a", "a b", "\"a\",,", "\u{e9}"] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_GROUPS, field.parse().unwrap());
            assert!(groups(&headers, &CACHE_GROUPS).is_empty(), "{field}");
        }
    }

    #[test]
    fn limits() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_GROUPS, format!("\"{}\", \"b\"", "a".repeat(MAX_NAME + 1)).parse().unwrap());
        headers.append(CACHE_GROUPS, vec!["\"c\""; 100].join(",").parse().unwrap());
        let names = groups(&headers, &CACHE_GROUPS);
        assert_eq!((names.len(), &*names[0]), (MAX_GROUPS, "b"));
    }
}
