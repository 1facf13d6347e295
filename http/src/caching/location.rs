//! From a reference in a header field to a path of the same origin (RFC 3986, 5.2), byte for byte where the reference is
//! whole: what is a key elsewhere is not written otherwise here.

/// The path and query that `reference` names, if it is of the origin `scheme://authority` and was found at `base`, which
/// is a path and query.
pub(super) fn same_origin(scheme: &str, authority: &str, base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default().trim();
    let path = if let Some((theirs, rest)) = split_scheme(reference) {
        if !theirs.eq_ignore_ascii_case(scheme) {
            return None;
        }
        of_authority(rest.strip_prefix("//")?, authority)?
    } else if let Some(rest) = reference.strip_prefix("//") {
        of_authority(rest, authority)?
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else {
        relative(base, reference)
    };
    // What cannot be a request's target is none.
    path.bytes().all(|byte| byte.is_ascii_graphic()).then_some(path)
}

/// The scheme, where there is one, and what follows its colon.
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (is_scheme && !scheme.is_empty()).then_some((scheme, rest))
}

fn of_authority(rest: &str, authority: &str) -> Option<String> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (theirs, path) = rest.split_at(end);
    if !theirs.eq_ignore_ascii_case(authority) {
        return None;
    }
    Some(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

fn relative(base: &str, reference: &str) -> String {
    let path = base.split('?').next().unwrap_or_default();
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('?') {
        return format!("{path}{reference}");
    }
    let folder = path.rfind('/').map_or("/", |slash| path.get(..=slash).unwrap_or("/"));
    let (reference, query) = match reference.split_once('?') {
        Some((reference, query)) => (reference, Some(query)),
        None => (reference, None),
    };
    let merged = without_dots(&format!("{folder}{reference}"));
    match query {
        Some(query) => format!("{merged}?{query}"),
        None => merged,
    }
}

/// RFC 3986, 5.2.4, for a path that begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(reference: &str) -> Option<String> {
        same_origin("http", "a.example:80", "/x/y?q", reference)
    }

    #[test]
    fn of_this_origin() {
        for (reference, path) in [
            ("/z", "/z"),
            ("/z/../%2e/./b//c?d#e", "/z/../%2e/./b//c?d"),
            ("http://A.example:80/z", "/z"),
            ("HTTP://a.example:80", "/"),
            ("http://a.example:80?q", "/?q"),
            ("//a.example:80/z", "/z"),
            ("z", "/x/z"),
            ("./z/../w?a:b", "/x/w?a:b"),
            ("../../../z", "/z"),
            ("..", "/"),
            (".", "/x/"),
            ("?r", "/x/y?r"),
            ("", "/x/y?q"),
        ] {
            assert_eq!(of(reference).as_deref(), Some(path), "{reference}");
        }
    }

    #[test]
    fn of_another() {
        for reference in [
            "http://b.example:80/z",
            "http://a.example/z",
            "http://a.example:80@b.example/z",
            "https://a.example:80/z",
            "mailto:x",
            "//b/z",
            "/a b",
            "/\u{e9}",
            "http:z",
        ] {
            assert_eq!(of(reference), None, "{reference}");
        }
    }
}
