//! Points in time as header fields write them (RFC 9110, 5.6.7), in whole seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// A field that is a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateField {
    /// It is not there.
    Absent,
    /// It is there, and no date: a word, another time zone, two that differ.
    Invalid,
    /// Seconds since 1970; a date before is 0.
    At(u64),
}

impl DateField {
    /// The field in these headers, in any of the three forms that HTTP has had. Several lines that say the same are one.
    pub fn of(headers: &HeaderMap, field: &HeaderName) -> Self {
        let mut found = Self::Absent;
        for line in headers.get_all(field) {
            let date = line.to_str().ok().and_then(|text| httpdate::parse_http_date(text.trim()).ok());
            let date = date.map_or(Self::Invalid, |date| Self::At(seconds_of(date)));
            if found != Self::Absent && found != date {
                return Self::Invalid;
            }
            found = date;
        }
        found
    }

    /// The date, if it is one.
    pub fn at(self) -> Option<u64> {
        match self {
            Self::At(seconds) => Some(seconds),
            Self::Absent | Self::Invalid => None,
        }
    }
}

/// Whole seconds since 1970; 0 before.
pub fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time as a header field has it. What lies beyond the year 9999 is the year 1970.
pub fn date_value(time: SystemTime) -> HeaderValue {
    const LAST: u64 = 253_402_300_799;
    let seconds = Some(seconds_of(time)).filter(|seconds| *seconds <= LAST).unwrap_or(0);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// Milliseconds since 1970; 0 before.
pub(super) fn millis_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::header::EXPIRES;

    use super::*;

    fn of(lines: &[&str]) -> DateField {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(EXPIRES, line.parse().unwrap());
        }
        DateField::of(&headers, &EXPIRES)
    }

    #[test]
    fn three_forms() {
        let at = DateField::At(784_111_777);
        assert_eq!(of(&["Sun, 06 Nov 1994 08:49:37 GMT"]), at);
        assert_eq!(of(&["Sunday, 06-Nov-94 08:49:37 GMT"]), at);
        assert_eq!(of(&["Sun Nov  6 08:49:37 1994"]), at);
        assert_eq!(of(&["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"]), at);
    }

    #[test]
    fn written() {
        let at = |seconds| date_value(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(1 << 50), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn what_is_no_date() {
        assert_eq!(of(&[]), DateField::Absent);
        for line in
            ["0", "-1", "", "Sun, 06 Nov 1994 08:49:37 AEST", "Sun, 06 Nov 1994 08:49:37 GMT;x", "\u{e9}"]
        {
            assert_eq!(of(&[line]), DateField::Invalid, "{line}");
        }
        let two = of(&["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"]);
        assert_eq!(two, DateField::Invalid);
    }
}
