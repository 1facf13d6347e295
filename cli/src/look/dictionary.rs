//! `larder dictionary train`: a dictionary for zstd, made of samples, and what it gains on others that it has not seen.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgGroup, Args, Subcommand};
use larder::{Codec, settings::ByteSize};
use larder_zstd::{Zstd, ZstdConfig, train};
use serde_json::{Value, json};

use super::{
    items,
    key::pretty,
    open_cache, place_of,
    scan::{listing_of, listing_store},
    store_of, wait,
};
use crate::{
    exit::{Failure, Outcome},
    files::Draft,
    open::Source,
    progress::Progress,
    screen::{bytes, count, percent, say},
};

/// Larger samples gain nothing, and are left out.
const MAX_SAMPLE: usize = 1 << 20;
/// All samples together may have so many bytes.
const MAX_SAMPLES: usize = 256 << 20;
/// Of so many samples, one is not trained with: the gain is measured on it.
const HELD_OUT: usize = 5;
/// With fewer samples, a gain that was measured says nothing.
const LEAST: usize = 50;

/// What may be said to `larder dictionary`.
#[derive(Debug, Args)]
pub(crate) struct Dictionary {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Makes a dictionary of samples and says what it gains.
    Train(Train),
}

/// What may be said to `larder dictionary train`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("origin").required(true).args(["from", "cache"])))]
struct Train {
    /// A folder in which each file is a value, as it is before compression.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// The values of this cache, where its store can list its keys.
    #[arg(long, value_name = "NAME")]
    cache: Option<String>,
    /// The file of the dictionary.
    #[arg(long, value_name = "FILE")]
    into: PathBuf,
    /// How large it may be: 16 KiB serve values of 1 kB, 64 KiB those of 10 kB.
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    size: ByteSize,
    /// So many samples are taken.
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(50..=1_000_000))]
    samples: u32,
    /// The level of compression with which the gain is measured.
    #[arg(long, value_name = "LEVEL", default_value_t = 3)]
    level: i32,
    #[command(flatten)]
    source: Source,
}

/// Trains a dictionary.
pub(crate) fn run(arguments: &Dictionary, as_json: bool) -> Result<Outcome, Failure> {
    let What::Train(arguments) = &arguments.what;
    let samples = match (&arguments.from, &arguments.cache) {
        (Some(folder), _) => of_folder(folder, arguments.samples as usize)?,
        (None, Some(cache)) => of_cache(arguments, cache)?,
        (None, None) => return Err(Failure::new("give --from or --cache")),
    };
    if samples.len() < LEAST {
        return Err(Failure::new(format!(
            "found {} samples up to 1 MiB, expected {LEAST} and more, better a thousand; they are taken at random from real traffic",
            samples.len()
        )));
    }
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    for (number, sample) in samples.into_iter().enumerate() {
        if number % HELD_OUT == 0 { unseen.push(sample) } else { seen.push(sample) }
    }
    let size = usize::try_from(arguments.size.get()).unwrap_or(usize::MAX);
    let dictionary = train(&seen, size)?;
    let draft = Draft::new(&arguments.into, &dictionary)?;
    let without = Zstd::new(&ZstdConfig::new(arguments.level))?;
    let with = Zstd::new(&ZstdConfig::new(arguments.level).dictionary(draft.path()))?;
    let sum = |codec: &Zstd| -> Result<usize, Failure> {
        unseen.iter().map(|sample| Ok(codec.encode(sample)?.len())).sum()
    };
    let raw: usize = unseen.iter().map(Vec::len).sum();
    let (without, with) = (sum(&without)?, sum(&with)?);
    draft.keep()?;
    tell(arguments, (seen.len(), unseen.len(), dictionary.len()), (raw, without, with), as_json);
    // A dictionary that gains nothing is an answer as well.
    Ok(if with < without { Outcome::Done } else { Outcome::No })
}

#[allow(clippy::cast_precision_loss, reason = "ratios for people")]
fn tell(
    arguments: &Train,
    (seen, unseen, size): (usize, usize, usize),
    (raw, without, with): (usize, usize, usize),
    as_json: bool,
) {
    let of_raw = |bytes: usize| bytes as f64 / raw.max(1) as f64;
    let gain = 1.0 - with as f64 / without.max(1) as f64;
    if as_json {
        say(&pretty(&json!({
            "file": arguments.into.display().to_string(),
            "dictionary_bytes": size,
            "samples": seen,
            "samples_not_seen": unseen,
            "not_seen": { "raw_bytes": raw, "without_dictionary": without, "with_dictionary": with, "gain": gain },
        })));
        return;
    }
    let row = |what: &str, sum: usize| {
        format!("{what}: {} ({} of {})", bytes(sum as u64), percent(of_raw(sum)), bytes(raw as u64))
    };
    say(&format!(
        "{}: {} of {} samples\non {} that it has not seen, at level {}\n  {}\n  {}\n  {} less",
        arguments.into.display(),
        bytes(size as u64),
        count(seen as u64),
        count(unseen as u64),
        arguments.level,
        row("without a dictionary", without),
        row("with it", with),
        percent(gain)
    ));
    say(
        "in the configuration: codec = \"zstd\", and in [codecs.zstd]: dictionary; the one before goes to more_dictionaries",
    );
}

/// Every file of a folder.
fn of_folder(folder: &Path, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let fail = |path: &Path, error: &std::io::Error| {
        Failure::new(format!("{}: it could not be read: {error}", path.display()))
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| fail(folder, &error))? {
        let entry = entry.map_err(|error| fail(folder, &error))?;
        let is_sample =
            entry.metadata().is_ok_and(|about| about.is_file() && about.len() <= MAX_SAMPLE as u64);
        if is_sample {
            files.push(entry.path());
        }
    }
    // Of a folder, the same every time; by its names in steps, so that all of it has a part.
    files.sort_unstable();
    let step = files.len().div_ceil(most.max(1)).max(1);
    let (mut samples, mut sum) = (Vec::new(), 0);
    for path in files.iter().step_by(step) {
        let sample = fs::read(path).map_err(|error| fail(path, &error))?;
        sum += sample.len();
        if sum > MAX_SAMPLES {
            break;
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// The values of a cache as they are before compression.
fn of_cache(arguments: &Train, name: &str) -> Result<Vec<Vec<u8>>, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let cache = open_cache::<Value>(&larder, name)?;
        let store = listing_store(&larder, name)?;
        let listing = listing_of(&*store, &larder, name)?;
        let (mut samples, mut sum) = (Vec::new(), 0);
        let mut progress = Progress::new();
        items::entries(listing, &cache, async |key, encoded| {
            let sample = encoded.decompressed().map_err(|why| Failure::new(format!("{key}: {why}")))?;
            if sample.len() <= MAX_SAMPLE {
                sum += sample.len();
                samples.push(sample.to_vec());
            }
            progress.at(|| format!("{} samples", count(samples.len() as u64)));
            Ok(samples.len() < arguments.samples as usize && sum < MAX_SAMPLES)
        })
        .await
        .map_err(|why| {
            let store = store_of(&larder, name).unwrap_or_default();
            Failure::new(format!(
                "reading the cache {name:?} in the store {store:?} ({}): {why}",
                place_of(&larder, &store)
            ))
        })?;
        Ok(samples)
    })
}
