//! `cargo xtask strings`: every string of more than one word that the published crates hold, to be read from top to bottom.
//! Most of them are seen by somebody. `--check` only says which hold words that nobody would say aloud.

use std::{fs, path::Path};

use crate::{Outcome, rust};

/// The crates that are read.
const CRATES: &[&str] = &[
    "core",
    "net",
    "backends/memory",
    "backends/moka",
    "backends/quick-cache",
    "backends/redis",
    "backends/memcached",
    "codecs/gzip",
    "codecs/zstd",
    "conformance",
    "http",
    "larder",
    "proxy",
    "cli",
];
/// Files and folders of tests, models and fuzz targets, whose strings no user sees.
const UNSEEN: &[&str] = &["tests", "models", "fuzzing"];
/// Words and phrases of the glossary's left column that have no other use in a message.
const WORST: &[&str] = &[
    "nowhere",
    "for so long",
    "at most so",
    "so much",
    "anew",
    "goes on behind",
    "behind it",
    "overtak",
    "trying on",
    "is there again",
    "no time",
    "what came of",
    "what becomes",
    "no text",
    "stands there",
    "mistake",
    "nobody hears",
    "told apart",
    "by itself",
    "as it is found",
    "who waits",
];

/// One string, and where it stands.
struct Found {
    place: String,
    text: String,
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let only_check = arguments.iter().any(|argument| argument == "--check");
    let mut worst = Vec::new();
    for folder in CRATES {
        for Found { place, text } in strings(Path::new("."), folder)? {
            if !only_check {
                println!("{place}: {text}");
            }
            worst.extend(worst_in(&text).map(|word| format!("{place}: {word:?} in: {text}")));
        }
    }
    worst.iter().for_each(|line| eprintln!("{line}"));
    if worst.is_empty() { Ok(()) } else { Err("write what an engineer would say aloud".into()) }
}

fn worst_in(text: &str) -> Option<&'static str> {
    // What is filled in has a name of ours.
    let text: String = text
        .to_lowercase()
        .split('{')
        .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
        .collect();
    WORST.iter().copied().find(|word| text.contains(word))
}

fn strings(root: &Path, folder: &str) -> Outcome<Vec<Found>> {
    let mut files = Vec::new();
    collect(&root.join(folder).join("src"), &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for literal in rust::read(&fs::read_to_string(&file)?).1 {
            let text = literal.text.split_whitespace().collect::<Vec<_>>().join(" ");
            if !literal.is_reason && text.contains(' ') && text.chars().any(char::is_alphabetic) {
                found.push(Found { place: format!("{shown}:{}", literal.line), text });
            }
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| UNSEEN.iter().any(|unseen| name == *unseen)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_words_are_kept_out() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut read = 0;
        let mut worst = Vec::new();
        for folder in CRATES {
            for Found { place, text } in strings(&root, folder).unwrap() {
                read += 1;
                worst.extend(worst_in(&text).map(|word| format!("{place}: {word:?}")));
            }
        }
        assert!(read > 400, "only {read} were read");
        assert_eq!(worst, Vec::<String>::new());
        assert_eq!(worst_in("The profile is Nowhere"), Some("nowhere"));
    }
}
