//! What a request with an unsafe method makes invalid (RFC 9111, 4.4).

use http::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LOCATION, LOCATION},
};

use super::location::same_origin;

/// Whether a method may change something: all but those that are known not to (RFC 9110, 9.2.1).
pub fn is_unsafe(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether this answer to such a request makes what is stored for its address invalid: unless it failed.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    is_unsafe(method) && (status.is_success() || status.is_redirection())
}

/// The other addresses that become invalid: those of `Location` and `Content-Location`, as a path with its query, if they
/// are of the same origin. `base` is the path and query of the request.
///
/// ```
/// # use http::HeaderMap;
/// # use larder_http::caching::invalidation::also_invalid;
/// let mut answer = HeaderMap::new();
/// answer.insert("location", "/new?a".parse().unwrap());
/// answer.insert("content-location", "https://elsewhere.example/".parse().unwrap());
/// assert_eq!(also_invalid("http", "a.example", "/old", &answer), ["/new?a"]);
/// ```
pub fn also_invalid(scheme: &str, authority: &str, base: &str, answer: &HeaderMap) -> Vec<String> {
    [LOCATION, CONTENT_LOCATION]
        .iter()
        .filter_map(|field| answer.get(field)?.to_str().ok())
        .filter_map(|reference| same_origin(scheme, authority, base, reference))
        .filter(|path| path != base)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_statuses() {
        let unknown = Method::from_bytes(b"M-SEARCH").unwrap();
        for method in [&Method::POST, &Method::PUT, &Method::DELETE, &Method::PATCH, &unknown] {
            assert!(invalidates(method, StatusCode::OK) && invalidates(method, StatusCode::SEE_OTHER));
            assert!(
                !invalidates(method, StatusCode::NOT_FOUND) && !invalidates(method, StatusCode::BAD_GATEWAY)
            );
        }
        for method in [&Method::GET, &Method::HEAD, &Method::OPTIONS, &Method::TRACE] {
            assert!(!invalidates(method, StatusCode::OK));
        }
    }
}
