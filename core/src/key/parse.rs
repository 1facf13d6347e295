//! Whether a text is one that keys render to. The grammar is that of the table in the module above; what [`PartWriter`]
//! (super::PartWriter) writes in a second way is refused, so that one key has one text.

/// Lists in lists are read to this depth.
const MAX_DEPTH: usize = 32;

/// Whether parts, rendered and joined, can be this text. A text that ends in a digest is none: the digest does not say of what.
pub(super) fn is_key(text: &str) -> bool {
    let mut rest = text.as_bytes();
    loop {
        let Some(after) = named_part(rest) else { return false };
        match after {
            [] => return true,
            [b':', more @ ..] => rest = more,
            _ => return false,
        }
    }
}

/// A part with or without a name; gives what follows it.
fn named_part(text: &[u8]) -> Option<&[u8]> {
    let (name, after) = escaped(text)?;
    match after {
        [b'=', value @ ..] if std::str::from_utf8(&name).is_ok() => parts(value, MAX_DEPTH),
        _ => parts(text, MAX_DEPTH),
    }
}

/// What one part writes: mostly one thing; of types of a program's own, several between commas.
fn parts(text: &[u8], depth: usize) -> Option<&[u8]> {
    let mut rest = part(text, depth)?;
    while let [b',', more @ ..] = rest {
        rest = part(more, depth)?;
    }
    Some(rest)
}

fn part(text: &[u8], depth: usize) -> Option<&[u8]> {
    match text {
        [b'\'', b'\'', rest @ ..] | [b'!', b't' | b'f', rest @ ..] | [b'~', rest @ ..] => Some(rest),
        [b'#', rest @ ..] => integer(rest),
        [b'^', rest @ ..] => float(rest),
        [b'$', rest @ ..] => Some(escaped(rest)?.1),
        [b'(', rest @ ..] => elements(rest, b')', depth),
        [b'<', rest @ ..] => elements(rest, b'>', depth),
        _ => {
            let (bytes, rest) = escaped(text)?;
            (!bytes.is_empty() && std::str::from_utf8(&bytes).is_ok()).then_some(rest)
        }
    }
}

/// The elements of a list or a set, and what closes it. Those of a set are sorted, each once.
fn elements(text: &[u8], close: u8, depth: usize) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    if let Some((first, rest)) = text.split_first()
        && *first == close
    {
        return Some(rest);
    }
    let (mut rest, mut before) = (text, None);
    loop {
        let after = part(rest, depth)?;
        let element = &rest[..rest.len() - after.len()];
        if close == b'>' && before.is_some_and(|before| before >= element) {
            return None;
        }
        before = Some(element);
        match after.split_first()? {
            (b',', more) => rest = more,
            (byte, more) if *byte == close => return Some(more),
            _ => return None,
        }
    }
}

/// A decimal number by value: no `+`, no zero in front, no `-0`.
fn integer(text: &[u8]) -> Option<&[u8]> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let number = std::str::from_utf8(&text[..text.len() - digits.len() + end]).ok()?;
    let is_plain = match &digits[..end] {
        [b'0'] => !negative,
        [] | [b'0', ..] => false,
        _ => true,
    };
    let is_number = number.parse::<i128>().is_ok() || number.parse::<u128>().is_ok();
    (is_plain && is_number).then(|| &digits[end..])
}

/// The sixteen digits of a float's bits; there is one NaN.
fn float(text: &[u8]) -> Option<&[u8]> {
    let (digits, rest) = text.split_at_checked(16)?;
    if !digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let bits = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let is_only_nan = !f64::from_bits(bits).is_nan() || bits == 0x7ff8_0000_0000_0000;
    is_only_nan.then_some(rest)
}

/// As many characters as stand for themselves or are escaped; the bytes that they stand for, and what follows.
fn escaped(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    loop {
        match rest {
            [byte, after @ ..] if stands_for_itself(*byte) => {
                bytes.push(*byte);
                rest = after;
            }
            [b'%', high, low, after @ ..] => {
                let byte = digit(*high)? << 4 | digit(*low)?;
                if stands_for_itself(byte) {
                    return None;
                }
                bytes.push(byte);
                rest = after;
            }
            _ => return Some((bytes, rest)),
        }
    }
}

fn stands_for_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// A hexadecimal digit, capital.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
