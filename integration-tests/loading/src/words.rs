//! The command line: options, each with a value of its own or none.

use std::{fmt::Display, ops::RangeInclusive, vec};

use crate::Outcome;

/// The arguments that are left, and what to say when they make no sense.
#[derive(Debug)]
pub struct Words {
    words: vec::IntoIter<String>,
    usage: &'static str,
}

impl Words {
    /// These arguments.
    pub fn new(words: Vec<String>, usage: &'static str) -> Self {
        Self { words: words.into_iter(), usage }
    }

    /// The next option, if there is one.
    pub fn option(&mut self) -> Option<String> {
        self.words.next()
    }

    /// The value of an option.
    pub fn value(&mut self, option: &str) -> Outcome<String> {
        match self.words.next() {
            Some(value) => Ok(value),
            None => self.refuse(format_args!("{option} needs a value")),
        }
    }

    /// The value of an option that is a number. `1_000_000` is one, too.
    pub fn number(&mut self, option: &str, range: &RangeInclusive<u64>) -> Outcome<u64> {
        let value = self.value(option)?;
        match value.replace('_', "").parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => {
                let (least, most) = (range.start(), range.end());
                self.refuse(format_args!("{option} takes a number from {least} to {most}, not \"{value}\""))
            }
        }
    }

    /// Why the arguments are refused, and what would be accepted.
    pub fn refuse<T>(&self, why: impl Display) -> Outcome<T> {
        Err(format!("{why}: {}", self.usage).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Words {
        Words::new(line.split_whitespace().map(str::to_owned).collect(), "program [--most N]")
    }

    #[test]
    fn numbers_are_read_and_bounded() {
        for (line, number) in [("7", Some(7)), ("1_000", Some(1000)), ("0", None), ("2000", None)] {
            assert_eq!(words(line).number("--most", &(1..=1000)).ok(), number, "{line}");
        }
        for line in ["", "-1", "seven", "1e3"] {
            let refusal = words(line).number("--most", &(1..=1000)).unwrap_err().to_string();
            assert!(refusal.contains("--most") && refusal.contains("program ["), "{refusal}");
        }
    }
}
