//! From a client's request to the upstream's, and from the upstream's answer to the client's (RFC 9110, 7.6).

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Version,
    header::{CONTENT_LENGTH, EXPECT, HOST, MAX_FORWARDS, VIA},
    request::Parts,
};
use larder_http::caching::fields;

use crate::{body::Body, failure::Failure, notes::Notes, request::Target};

/// Fields that make a message what it is: `Connection` may not take them away.
const NEEDED: [HeaderName; 3] = [HOST, CONTENT_LENGTH, http::header::AUTHORIZATION];

/// The request for the upstream. Its URI has no authority yet: that is the upstream's.
///
/// # Errors
/// [`Failure::BadRequest`] if `Connection` names what is needed.
pub(crate) fn request(
    parts: &Parts,
    target: &Target,
    body: Body,
    name: &str,
) -> Result<Request<Body>, Failure> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = target.path.clone().into();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers(parts, target, name)?;
    // How long it takes belongs to whoever has asked.
    if let Some(notes) = parts.extensions.get::<Notes>() {
        request.extensions_mut().insert(notes.clone());
    }
    Ok(request)
}

fn headers(parts: &Parts, target: &Target, name: &str) -> Result<HeaderMap, Failure> {
    if fields::connection_named(&parts.headers).iter().any(|name| NEEDED.contains(name)) {
        return Err(Failure::BadRequest("its Connection names a field that the request needs"));
    }
    let mut headers = parts.headers.clone();
    fields::remove_hop_by_hop(&mut headers);
    // Whoever waits for a 100 has it from here, when the body is first read.
    headers.remove(EXPECT);
    if parts.method == Method::OPTIONS || parts.method == Method::TRACE {
        count_down(&mut headers)?;
    }
    if let Ok(host) = HeaderValue::from_str(target.authority.as_str()) {
        headers.insert(HOST, host);
    }
    let protocol = match parts.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    if let Ok(via) = HeaderValue::try_from(format!("{protocol} {name}")) {
        headers.append(VIA, via);
    }
    Ok(headers)
}

/// RFC 9110, 7.6.2. A client that wants this proxy's own answer learns that there is none.
fn count_down(headers: &mut HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(MAX_FORWARDS) else { return Ok(()) };
    match value.to_str().ok().and_then(|value| value.parse::<u32>().ok()) {
        Some(0) => Err(Failure::Method),
        Some(left) => {
            headers.insert(MAX_FORWARDS, HeaderValue::from(left - 1));
            Ok(())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::uri::Scheme;

    use super::*;
    use crate::body::empty;

    fn forwarded(fields: &[(&'static str, &str)]) -> Result<HeaderMap, Failure> {
        let mut asked = Request::get("http://a.example/x");
        for (name, value) in fields {
            asked = asked.header(*name, *value);
        }
        let (parts, ()) = asked.body(()).unwrap().into_parts();
        let target = Target::of(&parts, &Scheme::HTTP)?;
        request(&parts, &target, empty(), "larder").map(|request| request.headers().clone())
    }

    #[test]
    fn what_is_passed_on() {
        let headers = forwarded(&[
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("via", "1.0 before"),
            ("authorization", "Basic eA=="),
            ("host", "other"),
        ])
        .unwrap();
        let mut all: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        all.sort();
        assert_eq!(
            all,
            ["authorization: Basic eA==", "host: a.example", "via: 1.0 before", "via: 1.1 larder"]
        );
    }

    #[test]
    fn what_connection_may_not_take_away() {
        for name in ["host", "Authorization", "content-length"] {
            assert!(matches!(forwarded(&[("connection", name)]), Err(Failure::BadRequest(_))), "{name}");
        }
    }
}
