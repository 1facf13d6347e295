//! The suite's own test: stores that are wrong in one way each, and the case that must notice.
//!
//! A case that no mutant fails proves nothing; a mutant that its case does not catch is a hole in the suite.

mod bounded;
mod broken;
mod bytes;
mod changing;
mod counters;
mod later;
mod layers;
mod null;
mod twisted;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use larder_core::Clock;

use crate::{case::Case, report::Outcome, store::Store, suite::Suite};

/// A store that is wrong in one way.
#[derive(Clone, Copy)]
pub struct Mutant {
    /// What is wrong with it, as a name.
    pub name: &'static str,
    /// The case whose promise it breaks, `family::behaviour`, and which must catch it.
    pub caught_by: &'static str,
    make: fn(Clock) -> Store,
    /// The same store without its flaw.
    healthy: fn(Clock) -> Store,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The case caught it, and said this.
    Caught(String),
    /// The case did not, or its catch would prove nothing, and why.
    Survived(String),
}

impl Mutant {
    /// Runs the case that must catch it: over the store without the flaw, where it must pass, and over the mutant.
    pub async fn hunt(&self) -> Fate {
        let Some(case) = self.case() else {
            return Fate::Survived(format!("there is no case {}", self.caught_by));
        };
        let healthy = Suite::new("healthy", self.healthy);
        match healthy.run(&case).await {
            Ok(Outcome::Passed) => {}
            other => return Fate::Survived(format!("without the flaw the case says {other:?}")),
        }
        match self.run(&case).await {
            Ok(outcome) => Fate::Survived(format!("{} says {outcome:?}", self.caught_by)),
            Err(told) => Fate::Caught(told),
        }
    }

    /// Runs one case over it.
    ///
    /// # Errors
    /// What the case found wrong. A mutant may panic, and that is a way of being caught.
    pub async fn run(&self, case: &Case) -> Result<Outcome, String> {
        Suite::new(self.name, self.make).run_apart(*case).await
    }

    /// Whether this case fails over it, and passes over the same store without the flaw.
    pub async fn fails(&self, case: &Case) -> bool {
        let healthy = Suite::new("healthy", self.healthy);
        self.run(case).await.is_err() && matches!(healthy.run_apart(*case).await, Ok(Outcome::Passed))
    }

    fn case(&self) -> Option<Case> {
        crate::cases().into_iter().find(|case| case.name() == self.caught_by)
    }
}

/// Every mutant.
pub fn mutants() -> Vec<Mutant> {
    [
        broken::MUTANTS,
        bytes::MUTANTS,
        layers::MUTANTS,
        changing::MUTANTS,
        counters::MUTANTS,
        null::MUTANTS,
        bounded::MUTANTS,
        twisted::MUTANTS,
        later::MUTANTS,
    ]
    .concat()
}

/// Cases that no mutant fails, and why.
pub const WITHOUT_MUTANT: &[(&str, &str)] = &[];

/// For each case a mutant that was seen to fail it, by name. The example `mutants` sees to it again with `--cases`, and
/// finds one for the others with `--find`.
pub fn failing() -> BTreeMap<&'static str, &'static str> {
    include_str!("mutants/failing.tsv").lines().filter_map(|line| line.split_once('\t')).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A mutant that panics is caught for that, and the next case has a new one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own_and_a_case() {
        let mutants = mutants();
        let names: BTreeSet<_> = mutants.iter().map(|mutant| mutant.name).collect();
        assert_eq!(names.len(), mutants.len());
        for mutant in mutants {
            assert!(mutant.case().is_some(), "{mutant:?}: there is no case {}", mutant.caught_by);
        }
    }

    /// The table names cases and mutants that there are, and no case twice.
    #[test]
    fn the_table_of_failing_cases_is_about_what_is_there() {
        let names: BTreeSet<_> = mutants().iter().map(|mutant| mutant.name).collect();
        let cases: BTreeSet<String> = crate::cases().iter().map(Case::name).collect();
        for (case, mutant) in failing() {
            assert!(cases.contains(case), "there is no case {case}");
            assert!(names.contains(mutant), "{case}: there is no mutant \"{mutant}\"");
        }
        for (case, reason) in WITHOUT_MUTANT {
            assert!(cases.contains(*case) && !reason.is_empty(), "{case}");
            assert!(!failing().contains_key(case), "{case} fails over a mutant");
        }
    }

    /// A family that no mutant fails may as well not be there.
    #[test]
    fn every_family_catches_a_mutant() {
        let catching: BTreeSet<_> =
            mutants().iter().filter_map(Mutant::case).map(|case| case.family).collect();
        let families: BTreeSet<_> = crate::cases().iter().map(|case| case.family).collect();
        assert_eq!(catching, families);
    }
}
