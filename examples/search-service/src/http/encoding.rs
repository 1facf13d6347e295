//! Which content codings a client takes (RFC 9110, 12.5.3).

use axum::http::{HeaderMap, header::ACCEPT_ENCODING};

/// Whether a client has said that it takes this content coding. A client that says nothing could take any, by the
/// letter of the RFC; in practice it is one that cannot decompress.
pub(crate) fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let mut any = false;
    for value in headers.get_all(ACCEPT_ENCODING) {
        let Ok(value) = value.to_str() else { continue };
        for element in value.split(',') {
            let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
            let name = name.trim();
            if is_same(name, coding) {
                // What is said of the coding itself counts, whatever `*` says.
                return is_wanted(parameters);
            }
            if name == "*" {
                any = is_wanted(parameters);
            }
        }
    }
    any
}

fn is_same(name: &str, coding: &str) -> bool {
    let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
    name.eq_ignore_ascii_case(coding)
}

/// Whether the weight is above zero. A weight that cannot be read is taken for a refusal: everybody can read what is
/// not compressed.
fn is_wanted(parameters: &str) -> bool {
    let weight = parameters.split(';').find_map(|parameter| {
        let (name, weight) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| weight.trim())
    });
    weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0 && weight <= 1.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn takes_gzip(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        accepts(&headers, "gzip")
    }

    #[test]
    fn who_says_so_gets_gzip() {
        for yes in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip",
            "gzip;q=0.001",
            "gzip ; q=1.0",
            "*",
            "*;q=0.5",
            "identity;q=0, *",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "*;q=0, gzip",
            "gzip;foo=bar",
        ] {
            assert!(takes_gzip(&[yes]), "{yes}");
        }
        assert!(takes_gzip(&["br", "gzip"]));
    }

    #[test]
    fn and_nobody_else() {
        for no in [
            "",
            "identity",
            "br",
            "deflate",
            "gzip;q=0",
            "gzip;q=0.0",
            "gzip; Q=0.000",
            "*;q=0",
            "gzip;q=0, *",
            "*, gzip;q=0",
            "gzip;q=nan",
            "gzip;q=-1",
            "gzip;q=much",
            "gzipped",
            "br;q=1, *;q=0",
        ] {
            assert!(!takes_gzip(&[no]), "{no}");
        }
        assert!(!takes_gzip(&[]));
    }
}
