//! The cases, family by family.

mod bounded;
mod breaker;
mod bulk;
mod bus;
mod chain;
mod clocks;
mod concurrency;
mod conditional;
mod counters;
mod dropped;
mod encoding;
mod endings;
mod envelope;
mod extremes;
mod failing;
mod failover;
mod faulty;
mod freed;
mod freshness;
mod handles;
mod hooks;
mod keys;
mod kinds;
mod leases;
mod lifecycle;
mod limits;
mod loader_tags;
mod loading;
mod loading_many;
mod lookalikes;
mod metadata;
mod namespaces;
mod null;
mod random;
mod reading;
mod sliding;
mod states;
mod stats;
mod tags;
mod ttl;
mod values;
mod ways;
mod writing;

pub(crate) use self::random::Random;
use crate::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [
        reading::CASES.to_vec(),
        writing::CASES.to_vec(),
        limits::CASES.to_vec(),
        conditional::cases(),
        kinds::CASES.to_vec(),
        counters::CASES.to_vec(),
        bulk::cases(),
        values::cases(),
        keys::cases(),
        ttl::cases(),
        namespaces::cases(),
        tags::cases(),
        loader_tags::CASES.to_vec(),
        encoding::cases(),
        envelope::cases(),
        loading::cases(),
        loading_many::CASES.to_vec(),
        leases::CASES.to_vec(),
        freshness::CASES.to_vec(),
        sliding::CASES.to_vec(),
        failing::CASES.to_vec(),
        stats::CASES.to_vec(),
        lifecycle::CASES.to_vec(),
        concurrency::cases(),
        null::CASES.to_vec(),
        hooks::CASES.to_vec(),
        endings::CASES.to_vec(),
        metadata::CASES.to_vec(),
        states::CASES.to_vec(),
        handles::CASES.to_vec(),
        extremes::CASES.to_vec(),
        lookalikes::CASES.to_vec(),
        freed::CASES.to_vec(),
        clocks::CASES.to_vec(),
        dropped::cases(),
        bounded::CASES.to_vec(),
        breaker::CASES.to_vec(),
        bus::CASES.to_vec(),
        chain::cases(),
        failover::cases(),
        crate::model::CASES.to_vec(),
        crate::histories::CASES.to_vec(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::case::Ability;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let cases = all();
        let names: BTreeSet<String> = cases.iter().map(Case::name).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn every_promise_is_a_sentence() {
        for case in all() {
            assert!(case.promise.ends_with('.'), "{}: {}", case.name(), case.promise);
        }
    }

    /// How much the suite asks of a store that can do everything, on a server of its own.
    #[test]
    fn a_full_store_runs_most_cases() {
        let elsewhere = [
            Ability::KeepingNothing,
            Ability::InProcess,
            Ability::InjectedClock,
            Ability::Breaking,
            Ability::Chained,
            Ability::FailingOver,
        ];
        let mut counts = BTreeMap::<&str, usize>::new();
        for case in all() {
            let runs = !case.needs.iter().any(|need| elsewhere.contains(need));
            *counts.entry(case.family).or_default() += usize::from(runs);
        }
        let sum: usize = counts.values().sum();
        println!("{sum} of {} cases run on a full shared store: {counts:?}", all().len());
        assert!(sum >= 170, "{counts:?}");
    }
}
