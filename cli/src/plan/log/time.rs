//! Moments as access logs write them, in milliseconds since 1970, UTC. Read by hand: a log has as many as it has lines, and
//! most lines have the moment of the line before.

/// Reads moments, and remembers the last one.
#[derive(Debug, Default)]
pub(crate) struct Times {
    text: Vec<u8>,
    millis: i64,
}

impl Times {
    /// The moment that this text says: `01/Aug/1995:00:00:01 -0400`, `1995-08-01T00:00:01.5-04:00`, seconds since 1970 with or
    /// without a fraction, or milliseconds. Without a zone, UTC.
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<i64> {
        if text == self.text.as_slice() && !text.is_empty() {
            return Some(self.millis);
        }
        let text = text.trim_ascii();
        let bare = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(text);
        let millis = match bare.get(2..5) {
            Some([b'/', _, _]) => common(bare),
            Some([_, _, b'-']) if bare.get(7) == Some(&b'-') => iso(bare),
            _ => epoch(bare),
        }?;
        self.text.clear();
        self.text.extend_from_slice(text);
        self.millis = millis;
        Some(millis)
    }
}

/// `01/Aug/1995:00:00:01 -0400`
fn common(text: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let month = MONTHS.iter().position(|month| Some(*month) == text.get(3..6))?;
    let date = days(number(text.get(7..11)?)?, i64::try_from(month).ok()? + 1, number(text.get(..2)?)?)?;
    if text.get(6) != Some(&b'/') || text.get(11) != Some(&b':') {
        return None;
    }
    let time = clock(text.get(12..20)?)?;
    let zone = zone(text.get(20..)?.trim_ascii())?;
    Some(date * 86_400_000 + time - zone)
}

/// `1995-08-01T00:00:01.5-04:00`
fn iso(text: &[u8]) -> Option<i64> {
    let date = days(number(text.get(..4)?)?, number(text.get(5..7)?)?, number(text.get(8..10)?)?)?;
    if !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let time = clock(text.get(11..19)?)?;
    let mut rest = text.get(19..)?;
    let mut fraction = 0;
    if let Some((b'.' | b',', digits)) = rest.split_first() {
        let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        fraction = millis_of(&digits[..end]);
        rest = &digits[end..];
    }
    Some(date * 86_400_000 + time + fraction - zone(rest.trim_ascii())?)
}

/// `807256800`, `807256800.123` or, from 1973 on, `807256800123`.
fn epoch(text: &[u8]) -> Option<i64> {
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let whole = number(&text[..point])?;
    let fraction = text.get(point + 1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match whole {
        0..100_000_000_000 => Some(whole * 1000 + millis_of(fraction)),
        100_000_000_000..100_000_000_000_000 => Some(whole),
        // Microseconds, then nanoseconds.
        100_000_000_000_000..100_000_000_000_000_000 => Some(whole / 1000),
        _ => Some(whole / 1_000_000),
    }
}

/// The first three digits after a point, as milliseconds.
fn millis_of(digits: &[u8]) -> i64 {
    (0..3).fold(0, |sum, at| sum * 10 + digits.get(at).map_or(0, |digit| i64::from(digit - b'0')))
}

/// `00:00:01`, in milliseconds.
fn clock(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text else { return None };
    let (hours, minutes, seconds) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    // A leap second is one.
    (hours < 24 && minutes < 60 && seconds < 61).then_some(((hours * 60 + minutes) * 60 + seconds) * 1000)
}

/// `-0400`, `-04:00`, `Z` or nothing, in milliseconds.
fn zone(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// Digits and nothing else, up to 18 of them.
pub(crate) fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Days since 1970-01-01 in the Gregorian calendar. The year begins in March, so that the leap day is its last
/// (Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year % 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year / 400 * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i64> {
        Times::default().read(text.as_bytes())
    }

    #[test]
    fn one_moment_in_all_spellings_and_five_zones() {
        let moment = Some(807_249_601_000);
        for text in [
            "01/Aug/1995:00:00:01 -0400",
            "[01/Aug/1995:04:00:01 +0000]",
            "01/Aug/1995:09:30:01 +0530",
            "1995-08-01T04:00:01Z",
            "1995-08-01T04:00:01",
            "1995-08-01 13:00:01+09:00",
            "1995-07-31T21:00:01.000-07",
            "807249601",
            "807249601.000",
            "807249601000",
            "807249601000000",
        ] {
            assert_eq!(read(text), moment, "{text}");
        }
        assert_eq!(read("2024-02-29T00:00:00.1239Z"), Some(1_709_164_800_123));
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "-",
            "01/Foo/1995:00:00:01 -0400",
            "32/Aug/1995:00:00:01 -0400",
            "01/Aug/1995:24:00:01 -0400",
            "01/Aug/1995",
            "1995-08-01",
            "1995-13-01T00:00:00Z",
            "1995-08-01T00:00:00+99:00",
            "-5",
            "12.x",
            "9999999999999999999999",
            "é/ü/",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_moment_of_the_line_before_is_not_taken_for_another() {
        let mut times = Times::default();
        assert_eq!(times.read(b"5"), Some(5000));
        assert_eq!(times.read(b"5"), Some(5000));
        assert_eq!(times.read(b""), None);
        assert_eq!(times.read(b"6"), Some(6000));
    }
}
