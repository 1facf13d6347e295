//! How old an answer is (RFC 9111, 4.2.3 and 5.1).

use http::{HeaderMap, header::AGE};

use super::directives::seconds;

/// The `Age` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeField {
    /// It is not there.
    Absent,
    /// Seconds.
    Seconds(u64),
    /// It is there, and how old the answer is cannot be known from it: no number, several lines, the same number twice.
    Invalid,
}

impl AgeField {
    /// The field in these headers.
    ///
    /// Of a list in one line the first member counts, as RFC 9111, 5.1 says. It would have a cache ignore what is no number;
    /// an answer that is older than it seems is the worse error, so that here makes it stale, as a repeated number or line
    /// does, which are what two caches in a row leave that do not know of each other.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(AGE).iter();
        let Some(line) = lines.next() else { return Self::Absent };
        if lines.next().is_some() {
            return Self::Invalid;
        }
        let mut members = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let Some(first) = members.next().and_then(seconds) else { return Self::Invalid };
        let repeats = members.any(|member| seconds(member).is_none_or(|other| other == first));
        if repeats { Self::Invalid } else { Self::Seconds(first) }
    }
}

/// How old an answer was when it arrived, in seconds: the larger of what its `Date` and its `Age` say, both corrected by
/// what is known of the way. `asked` and `answered` are seconds since 1970.
pub fn on_arrival(age: AgeField, date: Option<u64>, asked: u64, answered: u64) -> u64 {
    let apparent = date.map_or(0, |date| answered.saturating_sub(date));
    let stated = match age {
        AgeField::Seconds(seconds) => seconds,
        AgeField::Absent | AgeField::Invalid => 0,
    };
    apparent.max(stated.saturating_add(answered.saturating_sub(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> AgeField {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AGE, line.parse().unwrap());
        }
        AgeField::of(&headers)
    }

    #[test]
    fn spellings() {
        assert_eq!(of(&[]), AgeField::Absent);
        assert_eq!(of(&["7"]), AgeField::Seconds(7));
        assert_eq!(of(&["7, 0"]), AgeField::Seconds(7));
        assert_eq!(of(&["99999999999999999999"]), AgeField::Seconds(1 << 31));
        for invalid in ["", "x", "-7", "7.0", "7;a=b", "0, 0", "7, x"] {
            assert_eq!(of(&[invalid]), AgeField::Invalid, "{invalid}");
        }
        assert_eq!(of(&["0", "7"]), AgeField::Invalid);
    }

    #[test]
    fn the_larger_of_two() {
        // Date says 10 seconds; Age says 3, and 2 on the way.
        assert_eq!(on_arrival(AgeField::Seconds(3), Some(90), 98, 100), 10);
        assert_eq!(on_arrival(AgeField::Seconds(30), Some(90), 98, 100), 32);
        // A clock that is ahead, a time that runs backwards, and the largest there is.
        assert_eq!(on_arrival(AgeField::Absent, Some(200), 100, 100), 0);
        assert_eq!(on_arrival(AgeField::Absent, None, 100, 90), 0);
        assert_eq!(on_arrival(AgeField::Seconds(u64::MAX), None, 0, 5), u64::MAX);
    }
}
