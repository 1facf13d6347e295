//! Larder on moka, against raw moka with a time to live.

use std::sync::Arc;

use super::{PICKS, in_words, right};
use crate::harness::values::{Item, KEYS, zipf};
use crate::harness::{Bench, Comparison, Lane, Outcome};
use crate::peers::{self, CAPACITY, TTL};

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Outcome {
    let (picks, handle) = (zipf(KEYS, PICKS, 2), bench.handle().clone());
    let (texts, keys) = (Item::keys(), peers::larder::keys());
    let larder = peers::larder::in_memory("moka").build()?;
    let ours = bench.block_on(peers::larder::filled(&larder, &[]))?;
    let raw: moka::sync::Cache<String, Arc<Item>> =
        moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL).build();
    for (key, item) in texts.iter().zip(Item::all()) {
        raw.insert(key.clone(), Arc::new(item.clone()));
    }
    raw.run_pending_tasks();

    for threads in [1, 2] {
        let lanes = vec![
            Lane::threads("moka", threads, &handle, picks.clone(), async |picks| {
                for pick in picks {
                    right(*pick, raw.get(&texts[*pick as usize]).map(|item| item.id));
                }
            }),
            Lane::threads("larder get", threads, &handle, picks.clone(), async |picks| {
                for pick in picks {
                    right(*pick, ours.get(&keys[*pick as usize]).await.ok().flatten().map(|item| item.id));
                }
            })
            .ours(),
        ];
        let compared = vec![Comparison::ratio(format!("moka.get.{threads}"), "larder get", "moka")];
        bench.group(&in_words("moka", threads), lanes, compared)?;
    }
    Ok(())
}
