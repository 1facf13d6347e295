//! Whether a request may change something.

use std::hint::black_box;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use larder::settings::Secret;

use super::plain;
use crate::body::Body;

/// Lets a request through that brings the token, or answers it.
pub(super) fn check(token: Option<&Secret>, headers: &HeaderMap) -> Result<(), Box<Response<Body>>> {
    let Some(token) = token else {
        let why = "no token is configured: set `admin_token` in [proxy] to 16 random characters or more, \
                   and send it as Authorization: Bearer TOKEN\n";
        return Err(Box::new(plain(StatusCode::FORBIDDEN, why.to_owned())));
    };
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let given = fields.next().filter(|_| fields.next().is_none()).and_then(|value| bearer(value.as_bytes()));
    if given.is_some_and(|given| is_same(given, token.expose().as_bytes())) {
        return Ok(());
    }
    let why = "the token is missing or wrong; send `admin_token` of [proxy] as Authorization: Bearer TOKEN\n";
    let mut refused = plain(StatusCode::UNAUTHORIZED, why.to_owned());
    refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(Box::new(refused))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// In a time that depends on what was given alone, and not on how much of it is right.
fn is_same(given: &[u8], token: &[u8]) -> bool {
    let mut differs = given.len() ^ token.len();
    for (place, byte) in given.iter().enumerate() {
        let other = token.get(place % token.len().max(1)).copied().unwrap_or_default();
        differs = black_box(differs | usize::from(byte ^ other));
    }
    differs == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(token: Option<&str>, given: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        check(token.map(Secret::new).as_ref(), &headers)
            .map_or_else(|refused| refused.status().as_u16(), |()| 200)
    }

    #[test]
    fn who_may() {
        let token = Some("0123456789abcdef");
        assert_eq!(status(token, &["Bearer 0123456789abcdef"]), 200);
        assert_eq!(status(token, &["bearer  0123456789abcdef "]), 200);
        for wrong in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdef0"],
            &["Bearer 0123456789abcdef0123456789abcdef"],
            &["Bearer 0123456789abcdeg"],
            &["Basic 0123456789abcdef"],
            &["0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
        ] {
            assert_eq!(status(token, wrong), 401, "{wrong:?}");
        }
        assert_eq!(status(None, &["Bearer 0123456789abcdef"]), 403);
        assert_eq!(status(Some(""), &["Bearer "]), 401);
    }
}
