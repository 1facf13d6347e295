//! Where a switch stands, as one number.

use crate::clock::Timestamp;

/// Where a switch stands. In its word, the two low bits say which of the three it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// For the time after so many openings: what began before one of them says nothing after it.
    Closed(u64),
    /// Until then.
    Open(Timestamp),
    /// One call, which began then, is trying whether the server is back.
    HalfOpen(Timestamp),
}

impl Position {
    pub(super) fn of(word: u64) -> Self {
        let rest = word >> 2;
        match word & 3 {
            0 => Self::Closed(rest),
            1 => Self::Open(Timestamp::from_millis(rest)),
            _ => Self::HalfOpen(Timestamp::from_millis(rest)),
        }
    }

    pub(super) fn word(self) -> u64 {
        match self {
            Self::Closed(openings) => openings << 2,
            Self::Open(until) => (until.as_millis() << 2) | 1,
            Self::HalfOpen(began) => (began.as_millis() << 2) | 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_position_is_a_word_of_its_own() {
        let then = Timestamp::from_millis(1 << 60);
        for position in
            [Position::Closed(0), Position::Closed(7), Position::Open(then), Position::HalfOpen(then)]
        {
            assert_eq!(Position::of(position.word()), position);
        }
        assert_eq!(Position::Closed(0).word(), 0, "what a new switch has");
    }
}
