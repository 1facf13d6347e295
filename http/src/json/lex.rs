//! Tokens: where a string, a number or a literal ends, and what a string says without its escapes.

use super::Fault;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES * 0x80;

/// The first position from `at` on that is not white space.
#[inline]
pub(crate) fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// From behind the opening quote: the position of the closing one, and whether there are escapes.
#[inline]
pub(crate) fn string(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Fault> {
    let mut escaped = false;
    loop {
        at = plain(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape(bytes, at)?;
            }
            _ => return Err(Fault::Syntax { at }),
        }
    }
}

/// The first position from `at` on that holds a quote, a backslash or a control character. Eight bytes at a time: this is where
/// an answer's time goes.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(Ok(eight)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(eight);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found =
            (control | quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash) & HIGHS;
        if found != 0 {
            // The lowest byte that was found is one; a borrow can only spoil those above it.
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') if bytes.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
            Ok(at + 6)
        }
        _ => Err(Fault::Syntax { at }),
    }
}

/// The end of the number that begins at `at`.
#[inline]
pub(crate) fn number(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let digits = |mut at: usize| {
        let begin = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == begin { Err(Fault::Syntax { at }) } else { Ok(at) }
    };
    let begin = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut at = digits(begin)?;
    if bytes.get(begin) == Some(&b'0') && at > begin + 1 {
        return Err(Fault::Syntax { at: begin });
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Ok(at)
}

/// The end of `word`, which is `true`, `false` or `null`, if it stands at `at`.
#[inline]
pub(crate) fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    if bytes[at..].starts_with(word) { Ok(at + word.len()) } else { Err(Fault::Syntax { at }) }
}

/// Writes what a string says, `raw` being what stands between its quotes, already checked by [`string`].
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let code = rest.get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        let plain = match code {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, after) = unicode(rest)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
                continue;
            }
            other => other,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The character whose `\u` was just read, and what follows it.
fn unicode(rest: &[u8]) -> Result<(char, &[u8]), Fault> {
    let (high, rest) = hex(rest)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, rest));
    }
    let (low, rest) = hex(rest.strip_prefix(b"\\u").ok_or(Fault::LoneSurrogate)?)?;
    if high >= 0xdc00 || !(0xdc00..0xe000).contains(&low) {
        return Err(Fault::LoneSurrogate);
    }
    let character =
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(Fault::LoneSurrogate)?;
    Ok((character, rest))
}

fn hex(rest: &[u8]) -> Result<(u32, &[u8]), Fault> {
    let (digits, rest) = rest.split_at_checked(4).ok_or(Fault::LoneSurrogate)?;
    let digits = std::str::from_utf8(digits).map_err(|_| Fault::LoneSurrogate)?;
    Ok((u32::from_str_radix(digits, 16).map_err(|_| Fault::LoneSurrogate)?, rest))
}
