//! Percent escapes of paths, query strings and forms.

use std::borrow::Cow;

/// Without its percent escapes. Nothing where one is broken, or the result is not UTF-8.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The same, and a plus is a space.
pub(crate) fn decode_form(raw: &str) -> Option<Cow<'_, str>> {
    if raw.contains('+') {
        Some(Cow::Owned(decode(&raw.replace('+', " "))?.into_owned()))
    } else {
        decode(raw)
    }
}
