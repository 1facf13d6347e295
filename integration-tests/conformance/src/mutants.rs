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
    /// The family that must catch it: what stands before the `::`; what follows says what it breaks.
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
    /// This case caught it.
    Caught(String),
    /// No case of the family that should catch it did.
    Survived(String),
}

impl Mutant {
    /// Runs the cases of the family that should catch it, until one does.
    pub async fn hunt(&self) -> Fate {
        let family = self.caught_by.split("::").next().unwrap_or_default();
        for case in crate::cases().into_iter().filter(|case| case.family == family) {
            let mutant = *self;
            // A mutant may panic, and that is a way of being caught.
            let run = tokio::spawn(async move { mutant.run(&case).await });
            if !matches!(run.await, Ok(Ok(_))) {
                return Fate::Caught(case.name());
            }
        }
        Fate::Survived(format!("no case of the family {family} notices"))
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
