//! The suite's own test: stores that are wrong in one way each, and the case that must notice.
//!
//! A case that no mutant fails proves nothing; a mutant that no case catches is a hole in the suite.

mod broken;
mod bytes;
mod null;

use std::fmt;

use larder_core::Clock;

use crate::{case::Case, report::Outcome, store::Store, suite::Suite};

/// A store that is wrong in one way.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// What is wrong with it, as a name.
    pub name: &'static str,
    /// The case that must catch it, `family::behaviour`.
    pub caught_by: &'static str,
    make: fn(Clock) -> Store,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The case that should catch it did.
    Caught,
    /// The case that should catch it passed, was ignored, or does not exist.
    Survived(String),
}

impl Mutant {
    /// Runs the case that should catch it.
    pub async fn hunt(&self) -> Fate {
        match crate::cases().iter().find(|case| case.name() == self.caught_by) {
            Some(case) => match self.run(case).await {
                Err(_) => Fate::Caught,
                Ok(outcome) => Fate::Survived(format!("{} ended as {outcome:?}", self.caught_by)),
            },
            None => Fate::Survived(format!("there is no case {}", self.caught_by)),
        }
    }

    /// Runs one case over it.
    ///
    /// # Errors
    /// What the case found wrong.
    pub async fn run(&self, case: &Case) -> Result<Outcome, String> {
        Suite::new(self.name, self.make).run(case).await
    }
}

/// Every mutant.
pub fn mutants() -> Vec<Mutant> {
    [broken::MUTANTS, bytes::MUTANTS, null::MUTANTS].concat()
}
