//! The suite's own test: stores that are wrong in one way each, and the case that must notice.
//!
//! A case that no mutant fails proves nothing; a mutant that its case does not catch is a hole in the suite.

#[macro_use]
mod flaws;

mod bounded;
mod broken;
pub(crate) mod bytes;
mod chaining;
mod changing;
mod coarse;
mod counters;
mod later;
mod layers;
mod null;
mod standing_in;
mod telling;
mod tripping;
mod twisted;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use larder_core::{Backend, Cache, Clock, Entry, Key, Ttl, backend::GetOptions, key::StoreKey};

use crate::{case::Case, report::Outcome, store::Store, suite::Suite, value::Value};

/// A store that is wrong in one way.
#[derive(Clone, Copy)]
#[non_exhaustive]
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
        Suite::new(self.name, self.make).hurried().run_apart(*case).await
    }

    /// What this case says of it, if it fails over it, and passes over the same store without the flaw.
    ///
    /// # Errors
    /// What the case said over which of the two.
    pub async fn fails(&self, case: &Case) -> Result<String, String> {
        let told = match self.run(case).await {
            Err(told) => told,
            Ok(outcome) => return Err(format!("over the mutant it says {outcome:?}")),
        };
        let healthy = Suite::new("healthy", self.healthy);
        match healthy.run_apart(*case).await {
            Ok(Outcome::Passed) => Ok(told),
            other => Err(format!("without the flaw it says {other:?}")),
        }
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
        coarse::MUTANTS,
        tripping::MUTANTS,
        telling::MUTANTS,
        chaining::MUTANTS,
        standing_in::MUTANTS,
    ]
    .concat()
}

/// The cases that no mutant fails, each with the reason why none can.
pub fn without_mutant() -> BTreeMap<&'static str, &'static str> {
    table(include_str!("mutants/without.tsv"))
}

/// For each case a mutant that was seen to fail it, by name. The example `mutants` sees to it again with `--cases`, and
/// finds one for the others with `--find`.
pub fn failing() -> BTreeMap<&'static str, &'static str> {
    table(include_str!("mutants/failing.tsv"))
}

fn table(lines: &'static str) -> BTreeMap<&'static str, &'static str> {
    lines.lines().filter_map(|line| line.split_once('\t')).collect()
}

/// An entry under this key that nobody wrote, as a cache of the key's namespace would have written it to this store.
async fn invented(store: Arc<dyn Backend>, clock: &Clock, key: &StoreKey<'_>) -> Option<Entry> {
    const ELSEWHERE: &str = "invented";
    let cache = Cache::<Value>::builder(Arc::clone(&store))
        .namespace(key.namespace().text())
        .clock(clock.clone())
        .ttl(Ttl::Never)
        .build()
        .ok()?;
    let elsewhere = Key::new(ELSEWHERE);
    cache.set(&elsewhere, Value::from(ELSEWHERE)).await.ok()?;
    let there = StoreKey::new(key.namespace(), &elsewhere);
    store.get(&there, &GetOptions::new()).await.ok()?.entry()
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

    /// Each case is in one of the two tables, and they name nothing that there is not.
    #[test]
    fn every_case_has_a_mutant_or_a_reason_why_there_is_none() {
        let names: BTreeSet<_> = mutants().iter().map(|mutant| mutant.name).collect();
        let cases: BTreeSet<String> = crate::cases().iter().map(Case::name).collect();
        let (failing, without) = (failing(), without_mutant());
        for (case, mutant) in &failing {
            assert!(names.contains(mutant), "{case}: there is no mutant \"{mutant}\"");
            assert!(
                !without.contains_key(case),
                "{case} fails over a mutant, and is listed as one that cannot"
            );
        }
        let known: BTreeSet<String> = failing.keys().chain(without.keys()).map(ToString::to_string).collect();
        let hint = "`cargo run -p larder-conformance --example mutants -- --find` looks for a mutant";
        assert_eq!(known, cases, "{hint}");
        assert!(without.values().all(|reason| !reason.is_empty()));
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
