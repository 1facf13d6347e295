//! The row `near`: a hit of a 1 KiB struct among 50 000 keys, Zipf 0.99.

mod chains;
mod frameworks;
mod options;
mod recorder;
mod stores;

use larder::{Cache, Key};

use crate::harness::values::{Item, expect};
use crate::harness::{Bench, Outcome, RowDef};

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "a hit in memory of a 1 KiB struct among 50 000 keys, Zipf 0.99, on 1 and 2 threads";
    let chains = "a hit through a chain of quick-cache and Redis";
    vec![RowDef { name: "near", about, run }, RowDef { name: "near", about: chains, run: chains::measure }]
}

fn run(bench: &mut Bench) -> Outcome {
    frameworks::measure(bench)?;
    stores::measure(bench)?;
    options::measure(bench)
}

/// How many picks there are before they begin anew.
const PICKS: usize = 1 << 18;

fn in_words(what: &str, threads: usize) -> String {
    format!("{what}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
}

/// What was found is the item that was asked for.
#[inline]
fn right(pick: u32, found: Option<u64>) {
    expect(found == Some(u64::from(pick)));
}

async fn hits(cache: &Cache<Item>, keys: &[Key], picks: &[u32]) {
    for pick in picks {
        right(*pick, cache.get(&keys[*pick as usize]).await.ok().flatten().map(|item| item.id));
    }
}
