//! What a request is for: its scheme, host and path, byte for byte, or why it is refused.
//!
//! A path is neither decoded nor shortened: `..`, `%2e` and `//` reach the upstream as they are, and are as they are in the
//! key, so that nobody's cache and upstream see two different things.

use http::{
    HeaderMap, HeaderValue, Method, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::failure::Failure;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `http` or `https`, as the client spoke to us.
    pub(crate) scheme: Scheme,
    /// The host, with its port if one was given, in small letters.
    pub(crate) authority: Authority,
    /// The path and the query.
    pub(crate) path: PathAndQuery,
}

impl Target {
    /// What this request is for. `scheme` is how the client is connected.
    ///
    /// # Errors
    /// [`Failure::BadRequest`] for one that contradicts itself, [`Failure::Method`] for `CONNECT` and for `*`.
    pub(crate) fn of(request: &Parts, scheme: &Scheme) -> Result<Self, Failure> {
        if request.method == Method::CONNECT {
            return Err(Failure::Method);
        }
        check_length(&request.headers)?;
        let authority = authority(request)?;
        let path = match request.uri.path_and_query() {
            Some(path) if path.as_str().starts_with('/') => path.clone(),
            // `OPTIONS *` is about the server itself.
            Some(path) if path.as_str() == "*" => return Err(Failure::Method),
            Some(path) if request.uri.scheme().is_some() && path.as_str().starts_with('?') => {
                format!("/{path}").parse().map_err(|_| Failure::BadRequest("its path is not valid"))?
            }
            None if request.uri.scheme().is_some() => PathAndQuery::from_static("/"),
            _ => return Err(Failure::BadRequest("its target is no path")),
        };
        Ok(Self { scheme: scheme.clone(), authority, path })
    }
}

/// Lengths that contradict each other (RFC 9112, 6.3). What contradicts itself in the bytes of a connection is found by
/// the guard of the listener; this is for whoever serves requests from elsewhere, and for HTTP/2.
fn check_length(headers: &HeaderMap) -> Result<(), Failure> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if length.is_some() && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Failure::BadRequest("it has both Content-Length and Transfer-Encoding"));
    }
    if lengths.next().is_some() {
        return Err(Failure::BadRequest("it has Content-Length twice"));
    }
    let is_number = |value: &HeaderValue| {
        !value.is_empty() && value.len() <= 19 && value.as_bytes().iter().all(u8::is_ascii_digit)
    };
    if length.is_some_and(|value| !is_number(value)) {
        return Err(Failure::BadRequest("its Content-Length is no number"));
    }
    Ok(())
}

/// The host: of the target if that is absolute (RFC 9112, 3.2.2), else the one `Host` that there must be.
fn authority(request: &Parts) -> Result<Authority, Failure> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Failure::BadRequest("it has Host twice"));
    }
    let authority = match (request.uri.authority(), host) {
        (Some(authority), host) => {
            // In HTTP/2 both are the client's, and have to be the same.
            let differs =
                |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
            if request.version == Version::HTTP_2 && host.is_some_and(differs) {
                return Err(Failure::BadRequest("its Host and :authority differ"));
            }
            authority.clone()
        }
        (None, Some(host)) => {
            Authority::try_from(host.as_bytes()).map_err(|_| Failure::BadRequest("its Host is not valid"))?
        }
        (None, None) => return Err(Failure::BadRequest("it has no Host")),
    };
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Failure::BadRequest("its Host is not valid"));
    }
    let small = authority.as_str().to_ascii_lowercase();
    if small == authority.as_str() {
        return Ok(authority);
    }
    Authority::try_from(small).map_err(|_| Failure::BadRequest("its Host is not valid"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(uri: &str, headers: &[(&'static str, &str)]) -> Result<String, Failure> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Target::of(&parts, &Scheme::HTTP).map(|target| format!("{}{}", target.authority, target.path))
    }

    const HOST: (&str, &str) = ("host", "A.example:80");

    #[test]
    fn paths_are_left_as_they_are() {
        for path in ["/", "/a/../b", "/%2e%2E/a", "//a//b", "/a%2Fb", "/a?b=/../c&d", "/?"] {
            assert_eq!(of(path, &[HOST]), Ok(format!("a.example:80{path}")));
        }
    }

    #[test]
    fn absolute_targets() {
        assert_eq!(of("http://b.example/x", &[HOST]), Ok("b.example/x".to_owned()));
        assert_eq!(of("http://b.example", &[]), Ok("b.example/".to_owned()));
    }

    #[test]
    fn hosts() {
        for bad in [
            &[][..],
            &[HOST, HOST],
            &[("host", "")],
            &[("host", "a b")],
            &[("host", "u@a")],
            &[("host", "a/b")],
        ] {
            assert!(matches!(of("/", bad), Err(Failure::BadRequest(_))), "{bad:?}");
        }
    }

    #[test]
    fn lengths() {
        for bad in [
            &[HOST, ("content-length", "1"), ("content-length", "1")][..],
            &[HOST, ("content-length", "1"), ("transfer-encoding", "chunked")],
            &[HOST, ("content-length", "+1")],
            &[HOST, ("content-length", "1, 1")],
            &[HOST, ("content-length", "")],
        ] {
            assert!(matches!(of("/", bad), Err(Failure::BadRequest(_))), "{bad:?}");
        }
        assert!(of("/", &[HOST, ("content-length", "10")]).is_ok());
    }
}
