//! Hit ratios by size against libcachesim, somebody else's simulator of caches, in a process of its own. It needs a Python that has
//! it (`oracle/requirements.txt`): the one that `LARDER_ORACLE_PYTHON` names, or the one on the path. Where there is none,
//! nothing is checked, and that is said.

#![allow(clippy::unwrap_used, clippy::panic, clippy::format_push_string, reason = "tests")]

mod common;

use std::{fs, path::Path, process::Command};

use common::{nasa, run};
use serde_json::Value;

fn python() -> Option<Command> {
    let program = std::env::var_os("LARDER_ORACLE_PYTHON").unwrap_or_else(|| "python3".into());
    let has_it = Command::new(&program).args(["-c", "import libcachesim"]).output();
    if has_it.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(program));
    }
    eprintln!(
        "NOT CHECKED: no Python has libcachesim (pip install -r cli/tests/oracle/requirements.txt, and LARDER_ORACLE_PYTHON names it)"
    );
    None
}

/// The hits of an LRU of each of these sizes, as libcachesim counts them.
fn theirs(mut python: Command, keys: &Path, what: &str, sizes: &[u64]) -> Vec<u64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/lru.py");
    let output =
        python.arg(script).arg(what).arg(keys).args(sizes.iter().map(ToString::to_string)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn ours(report: &Value, curve: &str) -> Vec<u64> {
    let requests = report["log"]["requests"].as_u64().unwrap() as f64;
    let sizes = report[curve].as_array().unwrap();
    sizes.iter().map(|size| (size["hit_ratio"].as_f64().unwrap() * requests).round() as u64).collect()
}

#[test]
fn a_day_of_requests_by_number_of_entries() {
    let Some(python) = python() else { return };
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(fs::File::open(nasa()).unwrap()),
        &mut text,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.tsv");
    // Of a request, its target, and one byte.
    let lines: String =
        text.lines().skip(1).map(|line| line.split('\t').nth(4).unwrap().to_owned() + "\t1\n").collect();
    fs::write(&keys, lines).unwrap();
    let sizes = [1, 10, 100, 500, 1000, 2000];
    let report =
        run(["plan", "--json", "--post", "read", "--entries", "1,10,100,500,1000,2000", &nasa()]).json();
    assert_eq!(ours(&report, "lru_entries"), theirs(python, &keys, "entries", &sizes));
}

#[test]
fn keys_of_any_popularity_by_number_of_entries_and_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (number, skew) in [1.2, 2.0, 4.0].into_iter().enumerate() {
        let Some(python) = python() else { return };
        let Some(again) = self::python() else { return };
        let (mut log, mut keys) = (String::from("time\turl\tbytes\n"), String::new());
        let mut random = 0x2545_f491_4f6c_dd1d_u64 + number as u64;
        for second in 0..30_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let key = (((random >> 11) as f64 / (1_u64 << 53) as f64).powf(skew) * 5000.0) as u64;
            // The same of each key: what libcachesim does with one that grows is its own.
            let bytes = 1 + key * 7919 % 1000;
            log += &format!("{}\t/{key}\t{bytes}\n", 1_700_000_000 + second);
            keys += &format!("/{key}\t{bytes}\n");
        }
        let (log_file, keys_file) = (folder.path().join("log.tsv"), folder.path().join("keys.tsv"));
        fs::write(&log_file, log).unwrap();
        fs::write(&keys_file, keys).unwrap();
        let (entries, bytes) = ([1, 7, 50, 333, 2000, 5000], [5000, 40_000, 300_000, 2_000_000]);
        let list = |sizes: &[u64]| sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let as_bytes: Vec<String> = bytes.iter().map(ToString::to_string).collect();
        let log_path = log_file.display().to_string();
        let report =
            run(["plan", "--json", "--entries", &list(&entries), "--size", &as_bytes.join(","), &log_path])
                .json();
        assert_eq!(
            ours(&report, "lru_entries"),
            theirs(python, &keys_file, "entries", &entries),
            "skew {skew}"
        );
        assert_eq!(ours(&report, "lru_bytes"), theirs(again, &keys_file, "bytes", &bytes), "skew {skew}");
    }
}
