//! Larder on quick-cache, against raw quick_cache and against the frameworks.

use std::sync::Arc;

use larder::Cache;
use quick_cache::sync::Cache as QuickCache;

use super::{PICKS, in_words, right};
use crate::harness::values::{Item, KEYS, zipf};
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome};
use crate::peers::{self, CAPACITY, multi_tier};

/// The frameworks' ways of reading, ...
const READ: [&str; 6] =
    ["cached store", "cached macro, Arc", "cached macro", "cachet get", "multi-tier-cache get", "hitbox"];
/// ... and of reading or loading. With an attribute the two are one.
const READ_OR_LOAD: [&str; 6] = [
    "cached store, get_or_set_with",
    "cached macro, Arc",
    "cached macro",
    "cachet get_or_insert",
    "multi-tier-cache get_or_compute",
    "hitbox",
];

/// Measures it.
#[allow(clippy::too_many_lines, reason = "one lane after the other")]
pub(super) fn measure(bench: &mut Bench) -> Outcome {
    let (picks, handle) = (zipf(KEYS, PICKS, 1), bench.handle().clone());
    let (texts, keys) = (Item::keys(), peers::larder::keys());
    let larder = peers::larder::in_memory("quick-cache").build()?;
    let ours: Cache<Item> = bench.block_on(peers::larder::filled(&larder, &[]))?;

    let raw: QuickCache<String, Arc<Item>> = QuickCache::new(CAPACITY);
    let foyer: foyer::Cache<String, Arc<Item>> = foyer::CacheBuilder::new(CAPACITY).build();
    for (key, item) in texts.iter().zip(Item::all()) {
        raw.insert(key.clone(), Arc::new(item.clone()));
        foyer.insert(key.clone(), Arc::new(item.clone()));
    }
    let sharded = peers::cached::sharded(&texts)?;
    for (id, key) in (0..).zip(&texts) {
        peers::cached::by_arc(key, id);
        peers::cached::by_value(key, id);
    }
    let cachet = bench.block_on(async { peers::cachet::large::<Arc<Item>>(true) });
    let multi_tier = multi_tier::cache(CAPACITY)?;
    let hitbox = peers::hitbox::cache(CAPACITY);
    bench.block_on(async {
        for (id, (key, item)) in (0..).zip(texts.iter().zip(Item::all())) {
            cachet.insert(key.clone(), Arc::new(item.clone())).await?;
            let load = || async { Ok(item.clone()) };
            multi_tier.get_or_compute_typed(key, multi_tier::STRATEGY, load).await?;
            peers::hitbox::item(key.clone(), id).cache(&hitbox).await?;
        }
        Outcome::Ok(())
    })?;

    for threads in [1, 2] {
        macro_rules! lane {
            ($name:expr, $body:expr) => {
                Lane::threads($name, threads, &handle, picks.clone(), $body)
            };
        }
        let lanes = vec![
            lane!("quick_cache", async |picks| {
                for pick in picks {
                    right(*pick, raw.get(&texts[*pick as usize]).map(|item| item.id));
                }
            }),
            lane!("quick_cache, key built", async |picks| {
                for pick in picks {
                    right(*pick, raw.get(&Item::key(*pick)).map(|item| item.id));
                }
            }),
            lane!("larder get", async |picks| {
                for pick in picks {
                    right(*pick, ours.get(&keys[*pick as usize]).await.ok().flatten().map(|item| item.id));
                }
            })
            .ours(),
            lane!("larder get, key built", async |picks| {
                for pick in picks {
                    let key = peers::larder::key(*pick);
                    right(*pick, ours.get(&key).await.ok().flatten().map(|item| item.id));
                }
            })
            .ours(),
            lane!("larder get_or_load", async |picks| {
                for pick in picks {
                    right(*pick, get_or_load(&ours, &keys[*pick as usize], *pick).await);
                }
            })
            .ours(),
            lane!("larder get_or_load, key built", async |picks| {
                for pick in picks {
                    right(*pick, get_or_load(&ours, &peers::larder::key(*pick), *pick).await);
                }
            })
            .ours(),
            lane!("foyer", async |picks| {
                for pick in picks {
                    right(*pick, foyer.get(&texts[*pick as usize]).map(|entry| entry.value().id));
                }
            }),
            lane!("cached store", async |picks| {
                for pick in picks {
                    right(*pick, sharded.get(&texts[*pick as usize]).map(|item| item.id));
                }
            }),
            lane!("cached store, get_or_set_with", async |picks| {
                for pick in picks {
                    let load = || Arc::new(Item::numbered(*pick));
                    // Its key is taken by value.
                    right(*pick, Some(sharded.get_or_set_with(texts[*pick as usize].clone(), load).id));
                }
            }),
            lane!("cached macro, Arc", async |picks| {
                for pick in picks {
                    right(*pick, Some(peers::cached::by_arc(&texts[*pick as usize], *pick).id));
                }
            }),
            lane!("cached macro", async |picks| {
                for pick in picks {
                    right(*pick, Some(peers::cached::by_value(&texts[*pick as usize], *pick).id));
                }
            }),
            lane!("cachet get", async |picks| {
                for pick in picks {
                    let entry = cachet.get(texts[*pick as usize].as_str()).await;
                    right(*pick, entry.ok().flatten().map(|entry| entry.value().id));
                }
            }),
            lane!("cachet get_or_insert", async |picks| {
                for pick in picks {
                    let load = || async { Arc::new(Item::numbered(*pick)) };
                    let entry = cachet.get_or_insert(texts[*pick as usize].as_str(), load).await;
                    right(*pick, entry.ok().map(|entry| entry.value().id));
                }
            }),
            lane!("multi-tier-cache get", async |picks| {
                for pick in picks {
                    let item = multi_tier.get_typed::<Item>(&texts[*pick as usize]).await;
                    right(*pick, item.ok().flatten().map(|item| item.id));
                }
            }),
            lane!("multi-tier-cache get_or_compute", async |picks| {
                for pick in picks {
                    let load = || async { Ok(Item::numbered(*pick)) };
                    let key = &texts[*pick as usize];
                    let item = multi_tier.get_or_compute_typed(key, multi_tier::STRATEGY, load).await;
                    right(*pick, item.ok().map(|item: Item| item.id));
                }
            }),
            lane!("hitbox", async |picks| {
                for pick in picks {
                    let item = peers::hitbox::item(texts[*pick as usize].clone(), *pick).cache(&hitbox).await;
                    right(*pick, item.ok().map(|item| item.id));
                }
            }),
        ];
        bench.group(&in_words("quick-cache", threads), lanes, comparisons(threads))?;
    }
    Ok(())
}

async fn get_or_load(cache: &Cache<Item>, key: &larder::Key, pick: u32) -> Option<u64> {
    let load = move || async move { Ok::<_, std::io::Error>(Item::numbered(pick)) };
    cache.get_or_load(key, load).await.ok().map(|item| item.id)
}

fn comparisons(threads: usize) -> Vec<Comparison> {
    let mut compared = vec![
        Comparison::ratio(format!("quick-cache.get.{threads}"), "larder get", "quick_cache"),
        Comparison::ratio(format!("quick-cache.get_or_load.{threads}"), "larder get_or_load", "quick_cache"),
        Comparison::ratio(
            format!("quick-cache.key-built.{threads}"),
            "larder get, key built",
            "quick_cache, key built",
        ),
        Comparison::fastest(format!("frameworks.get.{threads}"), "larder get", READ),
        Comparison::fastest(format!("frameworks.get_or_load.{threads}"), "larder get_or_load", READ_OR_LOAD),
    ];
    if threads == 1 {
        let allocations = |name: &str, lane| Comparison::alone(name, lane).measure(Measure::Allocations);
        compared.push(allocations("quick-cache.get.allocations", "larder get"));
        compared.push(allocations("quick-cache.get_or_load.allocations", "larder get_or_load"));
    }
    compared
}
