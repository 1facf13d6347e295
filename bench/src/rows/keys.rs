//! The row `keys`: what building a key costs, its text and its hash included.

use std::hint::black_box;
use std::sync::Arc;

use larder::Key;
use sha2::{Digest, Sha256};

use crate::harness::{Bench, Comparison, Lane, Outcome, RowDef};

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "building a key and taking its text: two and five short parts, and one of 300 bytes";
    vec![RowDef { name: "keys", about, run }]
}

fn run(bench: &mut Bench) -> Outcome {
    let handle = bench.handle().clone();
    let picks: Arc<[u32]> = (0..10_000).collect();
    let lane = |name: &str, one: fn(u32)| {
        Lane::threads(name, 1, &handle, picks.clone(), async move |picks: &[u32]| {
            for pick in picks {
                one(*pick);
            }
        })
    };

    let lanes = vec![
        lane("larder", |pick| taken(&Key::new("item").part(pick))).ours(),
        lane("format!", |pick| drop(black_box(format!("item:{pick}")))),
    ];
    bench.group("two parts", lanes, vec![Comparison::ratio("two", "larder", "format!")])?;

    let lanes = vec![
        lane("larder", |pick| {
            taken(&Key::new("search").part("acme").part(pick).named("page", 3).flag("gaia", true));
        })
        .ours(),
        lane("format!", |pick| drop(black_box(format!("search:{}:{pick}:page={}:gaia={}", "acme", 3, true)))),
    ];
    let compared =
        vec![Comparison::alone("five", "larder"), Comparison::ratio("five.format", "larder", "format!")];
    bench.group("five short parts", lanes, compared)?;

    let lanes = vec![
        lane("larder", |pick| taken(&Key::new("page").part(LONG).part(pick))).ours(),
        lane("digest", |_| {
            black_box(Sha256::digest(black_box(LONG.as_bytes())));
        }),
        lane("format!, digest, hex", |pick| {
            let digest = Sha256::digest(format!("page:{LONG}:{pick}").as_bytes());
            black_box(hex(&digest));
        }),
    ];
    let compared = vec![
        Comparison::ratio("long", "larder", "digest"),
        Comparison::ratio("long.format", "larder", "format!, digest, hex"),
    ];
    bench.group("one part of 300 bytes, which becomes a digest", lanes, compared)
}

/// What every use of a key asks it for.
fn taken(key: &Key) {
    black_box((key.text().len(), key.seeded_hash()));
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// 300 bytes, as the parameters of a request may be.
const LONG: &str = "fields=title,author,publisher,year,language,subjects,availability,location&sort=relevance,desc&\
    filter=year>1990;language=en,de,fr;available=true;location=main-library,branch-3,branch-7,stacks&\
    facets=subject,author,year,language&highlight=title,abstract&from=240&size=20&session=5f3c9a1e77b04d2d8a61xy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_part_is_as_long_as_it_says() {
        assert_eq!(LONG.len(), 300);
        assert!(Key::new("page").part(LONG).text().contains('~'));
    }
}
