//! Targeted cache control (RFC 9213): a field such as `CDN-Cache-Control`, meant for some caches, which then stands in the
//! place of `Cache-Control` and `Expires`.

use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::{
    Rules,
    cache_control::{AnswerControl, Scope},
    directives::MAX_SECONDS,
};

/// What governs an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governing {
    /// The directives.
    pub control: AnswerControl,
    /// Whether they are targeted: then `Expires` says nothing.
    pub targeted: bool,
}

/// The longest field that is parsed, in bytes. A longer one is ignored, as one that cannot be parsed.
const MAX_FIELD: usize = 4096;

/// The first of the targeted fields that is there and can be understood, or else `Cache-Control` (RFC 9213, 2.2).
pub fn governing(headers: &HeaderMap, rules: &Rules) -> Governing {
    for field in &rules.targets {
        if headers.contains_key(field)
            && let Some(control) = headers_text(headers, field).and_then(|text| control(&text))
        {
            return Governing { control, targeted: true };
        }
    }
    Governing { control: AnswerControl::of(headers), targeted: false }
}

fn headers_text(headers: &HeaderMap, field: &http::HeaderName) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for line in headers.get_all(field) {
        if text.len() + line.len() > MAX_FIELD {
            return None;
        }
        if !text.is_empty() {
            text.push(b',');
        }
        text.extend_from_slice(line.as_bytes());
    }
    Some(text)
}

/// `None` for what is empty, is no dictionary, or has a directive that we know with a value of another type.
fn control(text: &[u8]) -> Option<AnswerControl> {
    let dictionary: Dictionary = Parser::new(text).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut control = AnswerControl::default();
    for (name, value) in &dictionary {
        match name.as_str() {
            "max-age" => control.max_age = Some(number(value)?),
            "s-maxage" => control.s_maxage = Some(number(value)?),
            "stale-while-revalidate" => control.stale_while_revalidate = Some(number(value)?),
            "stale-if-error" => control.stale_if_error = Some(number(value)?),
            "no-store" => control.no_store = truth(value)?,
            "no-cache" => control.no_cache = scope(value),
            "private" => control.private = scope(value),
            "public" => control.public = truth(value)?,
            "must-revalidate" => control.must_revalidate = truth(value)?,
            "proxy-revalidate" => control.proxy_revalidate = truth(value)?,
            "must-understand" => control.must_understand = truth(value)?,
            _ => {}
        }
    }
    Some(control)
}

fn bare(value: &ListEntry) -> Option<&BareItem> {
    match value {
        ListEntry::Item(item) => Some(&item.bare_item),
        ListEntry::InnerList(_) => None,
    }
}

fn number(value: &ListEntry) -> Option<u64> {
    let number = i64::from(bare(value)?.as_integer()?);
    // A lifetime below zero is none.
    Some(u64::try_from(number).unwrap_or(0).min(MAX_SECONDS))
}

fn truth(value: &ListEntry) -> Option<bool> {
    bare(value)?.as_boolean()
}

/// Lists of fields have no form of their own here: whatever is not false is for the whole answer.
fn scope(value: &ListEntry) -> Scope {
    let is_off = bare(value).and_then(BareItem::as_boolean) == Some(false);
    if is_off { Scope::Absent } else { Scope::All }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &str)]) -> Governing {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        governing(&headers, &Rules::default())
    }

    const FALLBACK: (&str, &str) = ("cache-control", "no-store");

    #[test]
    fn it_takes_the_place_of_cache_control() {
        let found = of(&[FALLBACK, ("cdn-cache-control", "foo, max-age=99999999999")]);
        assert!(found.targeted && !found.control.no_store);
        assert_eq!(found.control.max_age, Some(MAX_SECONDS));
        assert!(
            of(&[("cache-control", "max-age=9"), ("cdn-cache-control", "private")]).control.private.is_all()
        );
        let two_lines =
            of(&[FALLBACK, ("cdn-cache-control", "max-age=1"), ("cdn-cache-control", "max-age=2")]);
        assert_eq!(two_lines.control.max_age, Some(2));
    }

    #[test]
    fn one_that_cannot_be_understood_is_ignored() {
        for field in [
            "",
            "max-age=10, &&&&&",
            "max-age=\"10\"",
            "max-age =10",
            "max-age= 10",
            "MaX-aGe=10",
            "max-age=1.5",
        ] {
            let found = of(&[FALLBACK, ("cdn-cache-control", field)]);
            assert!(!found.targeted && found.control.no_store, "{field}");
        }
        let long = format!("max-age=1, {}", "a, ".repeat(3000));
        assert!(!of(&[FALLBACK, ("cdn-cache-control", &long)]).targeted);
    }
}
