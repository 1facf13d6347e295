//! What tags, a listener, metrics and early refresh cost a hit, and what another cache's invalidations do.

use std::cell::Cell;
use std::hint::black_box;

use larder::cache::{Event, Listener};
use larder::{Cache, Key};

use super::{PICKS, hits, in_words, recorder, right};
use crate::harness::values::{Item, KEYS, expect, zipf};
use crate::harness::{Bench, Comparison, Lane, Outcome};
use crate::peers;

/// Hits between two invalidations of another cache's tag.
const QUIET: usize = 1000;

/// The tags of an entry that has some.
const TAGS: [&str; 3] = ["fruit", "orchard-7", "autumn"];

/// A listener that does as little as possible.
#[derive(Debug)]
struct Idle;

impl Listener for Idle {
    fn on_event(&self, cache: &str, event: &Event<'_>) {
        black_box((cache, event));
    }
}

/// A cache, and another one on the same store.
struct Noisy {
    cache: Cache<Item>,
    other: Cache<Item>,
}

impl Noisy {
    async fn beside(tags: &[&str]) -> Outcome<Self> {
        let larder = peers::larder::in_memory("quick-cache").build()?;
        Ok(Self { cache: peers::larder::filled(&larder, tags).await?, other: larder.cache("others")? })
    }
}

/// Measures it.
pub(super) fn measure(bench: &mut Bench) -> Outcome {
    recorder::install();
    let (picks, handle) = (zipf(KEYS, PICKS, 3), bench.handle().clone());
    let keys = peers::larder::keys();
    let none: Option<(&str, &str)> = None;
    let (plain, tagged, noisy, noisy_tagged, listening, metrics, xfetch) = bench.block_on(async {
        let plain = peers::larder::filled_with(none, None::<Idle>).await?;
        let tagged = Noisy::beside(&TAGS).await?.cache;
        // Stores of their own: what is invalidated beside one lane must not reach the next.
        let (noisy, noisy_tagged) = (Noisy::beside(&[]).await?, Noisy::beside(&TAGS).await?);
        let listening = peers::larder::filled_with(none, Some(Idle)).await?;
        let metrics = peers::larder::filled_with(none, Some(larder::Metrics::new())).await?;
        let setting = Some(("caches.items.xfetch", 1.0));
        let xfetch = peers::larder::filled_with(setting, None::<Idle>).await?;
        Outcome::Ok((plain, tagged, noisy, noisy_tagged, listening, metrics, xfetch))
    })?;

    for threads in [1, 2] {
        let get = |name: &str, cache| {
            let keys = &keys;
            Lane::threads(name, threads, &handle, picks.clone(), async move |picks| {
                hits(cache, keys, picks).await;
            })
            .ours()
        };
        let load = |name: &str, cache| {
            let keys = &keys;
            let body = async move |picks: &[u32]| {
                loads(cache, keys, picks).await;
            };
            Lane::threads(name, threads, &handle, picks.clone(), body).ours()
        };
        let while_others = |name: &str, noisy| {
            let keys = &keys;
            let body = async move |picks: &[u32]| {
                while_others_change(noisy, keys, picks).await;
            };
            Lane::threads(name, threads, &handle, picks.clone(), body).ours()
        };
        let lanes = vec![
            get("get", &plain),
            get("get, tags", &tagged),
            while_others("get, others' change", &noisy),
            while_others("get, tags, others' change", &noisy_tagged),
            get("get, listener", &listening),
            get("get, metrics", &metrics),
            load("get_or_load", &plain),
            load("get_or_load, xfetch", &xfetch),
        ];
        let compared = vec![
            Comparison::ratio(format!("tags.{threads}"), "get, tags", "get"),
            Comparison::ratio(format!("listener.{threads}"), "get, listener", "get"),
            Comparison::ratio(format!("metrics.{threads}"), "get, metrics", "get"),
            Comparison::ratio(format!("xfetch.{threads}"), "get_or_load, xfetch", "get_or_load"),
            Comparison::ratio(format!("churn.{threads}"), "get, others' change", "get"),
            Comparison::ratio(format!("churn-tags.{threads}"), "get, tags, others' change", "get, tags"),
        ];
        bench.group(&in_words("options", threads), lanes, compared)?;
    }
    Ok(())
}

async fn loads(cache: &Cache<Item>, keys: &[Key], picks: &[u32]) {
    for pick in picks {
        let id = *pick;
        let load = move || async move { Ok::<_, std::io::Error>(Item::numbered(id)) };
        right(id, cache.get_or_load(&keys[id as usize], load).await.ok().map(|item| item.id));
    }
}

/// Hits; and after each thousand of a thread's own, a tag of another cache on the same store is invalidated. The
/// thread's count goes on between calls, which single operations are.
async fn while_others_change(noisy: &Noisy, keys: &[Key], picks: &[u32]) {
    thread_local! {
        static SINCE: Cell<usize> = const { Cell::new(0) };
    }
    for pick in picks {
        right(*pick, noisy.cache.get(&keys[*pick as usize]).await.ok().flatten().map(|item| item.id));
        let since = SINCE.get() + 1;
        SINCE.set(since % QUIET);
        if since == QUIET {
            expect(noisy.other.invalidate_tag("prices").await.is_ok());
        }
    }
}
