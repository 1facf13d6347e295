//! The hottest key is removed while all nodes ask for it: how often is it loaded?

use std::sync::Arc;

use loading_trials::Outcome;

use crate::{
    fleet::{Fleet, Setup},
    kernel::{self, MILLI, Moment},
    quantile::Times,
};

/// Callers of each node, and in what time they come.
pub(crate) const CALLERS: u64 = 20;
pub(crate) const WITHIN: Moment = 50 * MILLI;
/// How long a load takes.
pub(crate) const LOAD: Moment = 50 * MILLI;

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Stampede {
    pub(crate) nodes: usize,
    pub(crate) has_leases: bool,
    pub(crate) loads: u64,
    /// Keys that were read, and written or added, in the store.
    pub(crate) far: u64,
    /// How long callers waited.
    pub(crate) waited: Times,
    pub(crate) failed: usize,
}

/// Lets this happen to so many nodes.
pub(crate) fn run(nodes: usize, has_leases: bool, seed: u64) -> Outcome<Stampede> {
    kernel::run(async move |kernel, clock| {
        let fleet = Fleet::new(&kernel, &clock, Setup { has_leases, ..Setup::new(nodes, seed) }).await?;
        let (before, loads) = (fleet.server.counts(), fleet.loads());
        fleet.remove_the_first().await?;
        let mut random = fleet.random(4, 0);
        let mut callers = Vec::new();
        for node in 0..nodes {
            for _ in 0..CALLERS {
                let (at, fleet) = (kernel.now() + random.below(WITHIN), Arc::clone(&fleet));
                callers.push(tokio::spawn(async move {
                    fleet.kernel.sleep_until(at).await;
                    let is_answered = fleet.ask_for_the_first(node, LOAD).await;
                    is_answered.then(|| fleet.kernel.now() - at)
                }));
            }
        }
        let mut waited = Vec::new();
        let count = callers.len();
        for caller in callers {
            waited.extend(caller.await?);
        }
        let counts = fleet.server.counts().since(before);
        Ok(Stampede {
            nodes,
            has_leases,
            loads: fleet.loads() - loads,
            far: counts.reads + counts.writes,
            failed: count - waited.len(),
            waited: Times::of(waited),
        })
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_make_one_load_of_all_nodes() {
        let loads = |has_leases| run(3, has_leases, 5).unwrap().loads;
        assert_eq!((loads(true), loads(false)), (1, 3));
    }
}
