//! How names and values are put into messages: quoted, bounded, one line; and which known name a mistyped one
//! is nearest to.

use std::{borrow::Cow, fmt::Write as _};

/// The longest name or value that is shown whole, in bytes.
pub(crate) const LONGEST: usize = 64;
/// How many names are listed before "and … more".
const MOST: usize = 24;

/// The text in quotes, with control characters escaped, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    match cut(text, LONGEST) {
        Cow::Borrowed(whole) => format!("{whole:?}"),
        Cow::Owned(cut) => format!("{:?}…", cut.trim_end_matches('…')),
    }
}

/// The text, cut when it is longer than so many bytes.
pub(crate) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().find(|(at, character)| at + character.len_utf8() > longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// `a, b, c`.
pub(crate) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names: Vec<Cow<'n, str>> = names.into_iter().map(|name| cut(name, LONGEST)).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let mut list = names.join(", ");
    if more > 0 {
        // Writing to a string does not fail.
        let _ = write!(list, " and {more} more");
    }
    if list.is_empty() { "none".to_owned() } else { list }
}

/// The name that was probably meant: the nearest one, if no more than a third of its letters are wrong, and
/// three at most. Letter case, `-` and `_` make no difference.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Comparing costs the product of the lengths, and a hostile name may be a megabyte long.
    if name.len() > LONGEST {
        return None;
    }
    let folded = fold(name);
    names
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (strsim::osa_distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a sentence about a name that nobody knows: `, did you mean "url"?`, or a full stop.
pub(crate) fn did_you_mean<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, names).map_or_else(|| ".".to_owned(), |nearest| format!(", did you mean {nearest:?}?"))
}

/// A name as it is compared with others that were written elsewhere: a variable of the environment has neither
/// small letters nor `-`.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_is_a_slip_of_the_fingers() {
        let names = ["deadline", "url", "max_entries", "backend"];
        assert_eq!(nearest("deadlnie", names), Some("deadline"));
        assert_eq!(nearest("max-entries", names), Some("max_entries"));
        assert_eq!(nearest("URL", names), Some("url"));
        assert_eq!(nearest("uri", names), Some("url"));
        assert_eq!(nearest("backed", names), Some("backend"));
        assert_eq!(nearest("ttl", names), None);
        assert_eq!(nearest("password", names), None);
        assert_eq!(nearest(&"u".repeat(1_000_000), names), None);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(quoted("a\n\"b\""), r#""a\n\"b\"""#);
        let long = quoted(&"é".repeat(500_000));
        assert!(long.ends_with("\"…") && long.len() <= LONGEST + 5, "{long}");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a", "b"]), "a, b");
        assert!(list(std::iter::repeat_n("x", 1000)).ends_with("and 976 more"));
    }
}
