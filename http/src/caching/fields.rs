//! Which header fields are passed on and stored (RFC 9110, 7.6.1; RFC 9111, 3.1), and which a 304 may change (3.2).

use http::{
    HeaderMap, HeaderName,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{cache_control::AnswerControl, directives::is_token};

/// Fields that are meant for one connection, or for the proxy itself.
const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// What belongs to the body that is stored, which a 304 does not bring.
const OF_THE_BODY: [HeaderName; 5] =
    [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderName::from_static("content-md5")];

/// Takes away what is meant for one connection: the fields that are known to be, and those that `Connection` names. A
/// name that would take away what the message needs, such as `Host`, is the caller's to refuse.
///
/// ```
/// # use http::HeaderMap;
/// let mut headers = HeaderMap::new();
/// headers.insert("connection", "close, X-Hop".parse().unwrap());
/// headers.insert("x-hop", "1".parse().unwrap());
/// headers.insert("x-end", "2".parse().unwrap());
/// larder_http::caching::fields::remove_hop_by_hop(&mut headers);
/// assert_eq!(headers.len(), 1);
/// ```
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in connection_named(headers) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The fields that `Connection` names.
pub fn connection_named(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names
        .map(<[u8]>::trim_ascii)
        .filter(|name| is_token(name))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect()
}

/// What of these fields is stored: neither what is meant for one connection, nor what `private` and `no-cache` name.
pub fn stored(headers: &HeaderMap, control: &AnswerControl) -> HeaderMap {
    let mut kept = headers.clone();
    remove_hop_by_hop(&mut kept);
    for name in control.private.fields().iter().chain(control.no_cache.fields()) {
        kept.remove(name);
    }
    kept
}

/// Puts the fields of a 304, or of an answer to `HEAD`, in the place of those that are stored. What describes the stored
/// body stays.
pub fn replace(stored: &mut HeaderMap, with: &HeaderMap) {
    for name in with.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        stored.remove(name);
        for value in with.get_all(name) {
            stored.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_stored() {
        let answer = headers(&[
            ("connection", "A, not a name, close"),
            ("a", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("transfer-encoding", "chunked"),
            ("secret", "x"),
            ("cache-control", "private=\"Secret\", max-age=1"),
            ("b", "2"),
        ]);
        let kept = stored(&answer, &AnswerControl::of(&answer));
        let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["b", "cache-control"]);
    }

    #[test]
    fn what_a_304_replaces() {
        let mut before = headers(&[("etag", "\"1\""), ("content-length", "5"), ("a", "old"), ("b", "kept")]);
        before.append("a", "older".parse().unwrap());
        let with = headers(&[("etag", "\"2\""), ("content-length", "0"), ("a", "new"), ("c", "added")]);
        replace(&mut before, &with);
        let all = |name: &str| before.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("a"), ["new"]);
        assert_eq!((all("b"), all("c")), (vec!["kept"], vec!["added"]));
        assert_eq!((all("etag"), all("content-length")), (vec!["\"1\""], vec!["5"]));
    }
}
