//! What `soak` was asked for.

use std::time::Duration;

use crate::{Outcome, random, words::Words};

const USAGE: &str = "soak [--minutes N] [--processes N] [--seed N]";

/// The arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) lasts: Duration,
    /// How many processes share the store.
    pub(super) processes: u64,
    /// Decides which faults come, and when.
    pub(super) seed: u64,
}

impl Asked {
    pub(super) fn parse(words: Vec<String>) -> Outcome<Self> {
        let mut words = Words::new(words, USAGE);
        let mut asked = Self { lasts: Duration::from_mins(10), processes: 3, seed: random::seed() };
        while let Some(option) = words.option() {
            match option.as_str() {
                // The state after the first minute is what the rest is compared with.
                "--minutes" => {
                    asked.lasts = Duration::from_mins(words.number(&option, &(2..=10_000))?);
                }
                "--processes" => asked.processes = words.number(&option, &(1..=64))?,
                "--seed" => asked.seed = words.number(&option, &(0..=u64::from(u32::MAX)))?,
                _ => return words.refuse(format_args!("there is no {option}")),
            }
        }
        Ok(asked)
    }
}
