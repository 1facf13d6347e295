//! The row `many`, in memory: a hundred keys in one call.

use larder::{Cache, Key};

use crate::harness::values::{Item, KEYS, Random, expect};
use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef, Sample};
use crate::peers;

/// Keys in a call.
const MANY: usize = 100;
/// Calls before the keys begin anew.
const BATCHES: usize = 512;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "a hundred keys in one call, against a hundred calls; an operation is a key";
    vec![RowDef { name: "many", about, run }]
}

/// A lane that takes one batch of keys after the other.
fn lane<'a>(name: &str, bench: &Bench, keys: &'a [Vec<Key>], call: impl AsyncFn(&'a [Key]) + 'a) -> Lane<'a> {
    let handle = bench.handle().clone();
    let mut batches = keys.iter().cycle();
    Lane::new(name, move |operations| {
        let calls = operations.div_ceil(MANY as u64);
        let next: Vec<&[Key]> = (0..calls).filter_map(|_| batches.next()).map(Vec::as_slice).collect();
        Sample::of(calls * MANY as u64, None, || {
            handle.block_on(async {
                for keys in next {
                    call(keys).await;
                }
            });
        })
    })
    .ours()
}

fn run(bench: &mut Bench) -> Outcome {
    let larder = peers::larder::in_memory("quick-cache").build()?;
    let cache: Cache<Item> = bench.block_on(peers::larder::filled(&larder, &[]))?;
    let keys = batches();
    let lanes = vec![
        lane("a hundred gets", bench, &keys, async |keys| {
            for key in keys {
                expect(
                    cache.get(key).await.is_ok_and(|item| item.is_some_and(|item| !item.title.is_empty())),
                );
            }
        }),
        lane("get_many", bench, &keys, async |keys| {
            let items = cache.get_many(keys).await;
            expect(items.as_ref().is_ok_and(|items| items.len() == keys.len()));
            for item in items.into_iter().flatten() {
                expect(item.is_ok_and(|item| item.is_some_and(|item| !item.title.is_empty())));
            }
        }),
    ];
    let compared = Comparison::ratio("memory.get", "get_many", "a hundred gets").measure(Measure::Throughput);
    bench.group("memory, reads", lanes, vec![compared])?;

    // Numbers, so that it is not the making of values that is measured.
    let cache: Cache<u64> = larder.cache("numbers")?;
    let lanes = vec![
        lane("a hundred sets", bench, &keys, async |keys| {
            for key in keys {
                expect(cache.set(key, 1).await.is_ok());
            }
        }),
        lane("set_many", bench, &keys, async |keys| {
            let written = cache.set_many(keys.iter().map(|key| (key.clone(), 1))).await.unwrap_or_default();
            expect(written.len() == keys.len() && written.iter().all(Result::is_ok));
        }),
    ];
    let compared = Comparison::ratio("memory.set", "set_many", "a hundred sets").measure(Measure::Throughput);
    bench.group("memory, writes", lanes, vec![compared])
}

/// Batches of keys, none twice in a batch.
fn batches() -> Vec<Vec<Key>> {
    let mut random = Random::new(11);
    let stride = |random: &mut Random| u32::try_from(random.next() % 499).unwrap_or(0) + 1;
    (0..BATCHES)
        .map(|_| {
            // At most 100 times 499 steps from the first: none comes again.
            let (first, step) =
                (u32::try_from(random.next() % u64::from(KEYS)).unwrap_or(0), stride(&mut random));
            (0..).take(MANY).map(|place| peers::larder::key((first + place * step) % KEYS)).collect()
        })
        .collect()
}
