//! The row `codec`: compressing and decompressing, by hand, by Larder's codec alone, and by writing and reading through a
//! cache on a store that keeps bytes.

mod by_hand;
mod shelf;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use bytes::Bytes;
use larder::codec::Compression;
use larder::format::Raw;
use larder::{Cache, Codec, Key};
use larder_gzip::{Gzip, GzipConfig};
use larder_zstd::{Zstd, ZstdConfig};

use self::by_hand::ByHand;
use self::shelf::Shelf;
use crate::harness::values::{Item, expect};
use crate::harness::{Bench, Comparison, Lane, Outcome, RowDef};

/// The sizes of values, in KiB.
const SIZES: [u32; 3] = [1, 10, 100];
/// How many values there are of each size.
const VALUES: u32 = 32;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "JSON of 1, 10 and 100 KiB: written and read with gzip and zstd, contexts reused by all";
    vec![RowDef { name: "codec", about, run }]
}

fn run(bench: &mut Bench) -> Outcome {
    let gzip: Arc<dyn Codec> = Arc::new(Gzip::new(&GzipConfig::default())?);
    let zstd: Arc<dyn Codec> = Arc::new(Zstd::new(&ZstdConfig::default())?);
    for size in SIZES {
        group(bench, "gzip", size, &gzip, &ByHand::gzip())?;
        group(bench, "zstd", size, &zstd, &ByHand::zstd(&[])?)?;
    }
    let file = Dictionary::trained()?;
    let mut config = ZstdConfig::default();
    config.dictionary.replace(file.path.clone());
    let zstd: Arc<dyn Codec> = Arc::new(Zstd::new(&config)?);
    for size in [1, 10] {
        group(bench, "zstd-dictionary", size, &zstd, &ByHand::zstd(&file.bytes)?)?;
    }
    Ok(())
}

fn group(bench: &mut Bench, name: &str, size: u32, codec: &Arc<dyn Codec>, by_hand: &ByHand) -> Outcome {
    let handle = bench.handle().clone();
    let values: Vec<Bytes> = (0..VALUES).map(|number| json(number, size)).collect::<Outcome<_>>()?;
    let keys: Vec<Key> = (0..VALUES).map(|number| Key::new("answer").part(number)).collect();
    let compression = Compression::new(codec.clone(), 0);
    let cache: Cache<Bytes> = Cache::builder(Shelf::default())
        .namespace("answers")
        .format(Raw)
        .compression(Some(compression))
        .build()?;
    let picks: Arc<[u32]> = (0..VALUES).collect();

    let lanes = vec![
        Lane::here("by hand", &handle, picks.clone(), async |picks| {
            for pick in picks {
                expect(by_hand.round(&values[*pick as usize]).is_ok());
            }
        }),
        Lane::here("codec", &handle, picks.clone(), async |picks| {
            for pick in picks {
                let raw = &values[*pick as usize];
                let body = codec.encode(raw);
                let read = body.map(|body| codec.decode(&body, raw.len(), codec.dictionary()));
                expect(read.is_ok_and(|read| read.is_ok()));
            }
        })
        .ours(),
        Lane::here("set and get", &handle, picks, async |picks| {
            for pick in picks {
                let key = &keys[*pick as usize];
                expect(cache.set(key, values[*pick as usize].clone()).await.is_ok());
                expect(cache.get(key).await.is_ok_and(|found| found.is_some()));
            }
        })
        .ours(),
    ];
    // That all three do the same is checked once, and not in what is measured.
    bench.block_on(check(&cache, &keys, &values, codec, by_hand))?;
    let compared = vec![
        Comparison::ratio(format!("{name}.{size}"), "set and get", "by hand"),
        Comparison::ratio(format!("{name}.{size}.codec"), "codec", "by hand"),
    ];
    bench.group(&format!("{name}, {size} KiB"), lanes, compared)
}

async fn check(
    cache: &Cache<Bytes>,
    keys: &[Key],
    values: &[Bytes],
    codec: &Arc<dyn Codec>,
    by_hand: &ByHand,
) -> Outcome {
    for (key, value) in keys.iter().zip(values) {
        cache.set(key, value.clone()).await?;
        let found = cache.get(key).await?.map(|found| Bytes::clone(&found));
        let encoded = codec.encode(value)?;
        let stored = cache.get_encoded(key).await?.map(|encoded| encoded.body().bytes.len());
        let same = found.as_ref() == Some(value) && by_hand.round(value)? == *value;
        if !same || stored != Some(encoded.len()) || encoded.len() >= value.len() {
            return Err(format!(
                "`{}` does not give back what it was given, or did not compress it",
                codec.name()
            )
            .into());
        }
    }
    Ok(())
}

/// An answer of a service of about this many KiB.
fn json(number: u32, kibibytes: u32) -> Outcome<Bytes> {
    let items: Vec<Item> = (0..kibibytes).map(|place| Item::sized(number * 1000 + place, 680)).collect();
    Ok(serde_json::to_vec(&items)?.into())
}

/// A trained dictionary of 16 KiB in a file, which goes with it.
struct Dictionary {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Dictionary {
    fn trained() -> Outcome<Self> {
        // Of other items than those that are measured.
        let samples: Vec<Bytes> = (1000..3000).map(|number| json(number, 1)).collect::<Outcome<_>>()?;
        let bytes = larder_zstd::train(&samples, 16 << 10)?;
        let path = env::temp_dir().join(format!("larder-bench-{}.dictionary", process::id()));
        fs::write(&path, &bytes)?;
        Ok(Self { path, bytes })
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // A file that is left behind in the folder for temporary ones harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}
