//! The row `size`: futures, and what Larder adds to a program.

use std::convert::Infallible;
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use larder::{Cache, Key};

use crate::harness::{Bench, Comparison, Lane, Measure, Outcome, RowDef, Sample};
use crate::peers;

/// Registers it.
pub(crate) fn rows() -> Vec<RowDef> {
    let about = "bytes of futures, and of a small program with and without Larder (all features, stripped)";
    vec![RowDef { name: "size", about, run }]
}

/// A lane that has only a figure, the same in every round.
fn lane<'a>(name: &str, bytes: usize) -> Lane<'a> {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let figure = bytes as f64;
    Lane::new(name, move |operations| Sample { operations, figure: Some(figure), ..Sample::default() })
        .fixed(1)
}

fn run(bench: &mut Bench) -> Outcome {
    let cache: Cache<u64> = peers::larder::in_memory("quick-cache").build()?.cache("numbers")?;
    let key = Key::new("item").part(1);
    let captured = [1_u8; 1024];
    let small = || async { Ok::<_, Infallible>(1) };
    let large = move || async move { Ok::<_, Infallible>(u64::from(black_box(captured)[0])) };
    let keys = [key.clone()];
    let lanes = vec![
        lane("get", size_of_val(&cache.get(&key))).ours(),
        lane("get_or_load", size_of_val(&cache.get_or_load(&key, small))).ours(),
        lane("get_or_load, 1 KiB captured", size_of_val(&cache.get_or_load(&key, large))).ours(),
        lane("set", size_of_val(&cache.set(&key, 1))).ours(),
        lane("get_many", size_of_val(&cache.get_many(&keys))).ours(),
    ];
    let alone = |name: &str, lane| Comparison::alone(name, lane).measure(Measure::Figure).unit("B", 1.0);
    let compared = vec![
        alone("future.get", "get"),
        alone("future.get_or_load", "get_or_load"),
        alone("future.get_or_load.1k", "get_or_load, 1 KiB captured"),
    ];
    bench.group("futures", lanes, compared)?;

    let lanes = vec![lane("with", stripped("size-with")?).ours(), lane("without", stripped("size-without")?)];
    let compared =
        Comparison::difference("binary", "with", "without").measure(Measure::Figure).unit("MB", 1e6);
    bench.group("a program", lanes, vec![compared])
}

/// The bytes of a program beside this one, without its symbols.
fn stripped(program: &str) -> Outcome<usize> {
    let this = env::current_exe()?;
    let program = this.parent().unwrap_or(Path::new(".")).join(program);
    if !program.exists() {
        return Err(format!("{} is not there; `cargo xtask bench` builds it", program.display()).into());
    }
    let copy = program.with_extension("stripped");
    let strip = Command::new("strip").arg("-o").args([&copy, &program]).status();
    let strip =
        strip.map_err(|error| format!("`strip`, which binutils brings, could not be run: {error}"))?;
    if !strip.success() {
        return Err(format!("`strip {}` failed", program.display()).into());
    }
    Ok(usize::try_from(fs::metadata(&copy)?.len())?)
}
