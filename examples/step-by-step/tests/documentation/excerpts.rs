//! Code in the pages stands in a file that is compiled and run.

use crate::page::{Block, Mark, blocks, docs, features, here, read};

/// The lines of a block, in the pieces between which something was left out.
fn pieces(block: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = block.trim_end().lines().collect();
    let left_out = |line: &&str| matches!(line.trim(), "// …" | "# …");
    lines.split(left_out).map(<[_]>::to_vec).collect()
}

/// Whether the lines stand in the source one after another, all of them as much further to the right. Returns what
/// follows them.
fn find<'s, 'a>(source: &'s [&'a str], piece: &[&str]) -> Option<&'s [&'a str]> {
    let begins = source.windows(piece.len()).position(|candidate| {
        let Some(indent) = candidate.first().and_then(|line| line.strip_suffix(piece[0])) else {
            return false;
        };
        indent.trim().is_empty()
            && candidate.iter().zip(piece).all(|(there, here)| {
                (there.is_empty() && here.is_empty()) || there.strip_prefix(indent) == Some(here)
            })
    })?;
    Some(&source[begins + piece.len()..])
}

fn is_in(block: &str, source: &str) -> Result<(), String> {
    let source: Vec<_> = source.lines().collect();
    let mut rest = &source[..];
    for piece in pieces(block).iter().filter(|piece| !piece.is_empty()) {
        rest = find(rest, piece).ok_or_else(|| piece.join("\n"))?;
    }
    Ok(())
}

#[test]
fn every_excerpt_is_in_its_file() {
    let mut pages = features();
    pages.push(docs("step-by-step.md"));
    let mut wrong = Vec::new();
    let mut excerpts = 0;
    for path in pages {
        let page = path.file_name().unwrap().display().to_string();
        for Block { line, language, mark, text } in blocks(&read(&path)) {
            match mark {
                Some(Mark::Excerpt(file)) => {
                    excerpts += 1;
                    if let Err(missing) = is_in(&text, &read(&here().join(&file))) {
                        wrong.push(format!("{page}:{line}: not in {file}:\n{missing}\n"));
                    }
                }
                None if language.starts_with("rust") => {
                    wrong.push(format!("{page}:{line}: code that is no excerpt, so nobody compiles it"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(excerpts > 20, "{excerpts}");
}

/// Configuration in the pages is configuration, also without what was left out.
#[test]
fn every_piece_of_configuration_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut pages = features();
    pages.push(docs("step-by-step.md"));
    let mut pieces = 0;
    for path in pages {
        for block in blocks(&read(&path)).into_iter().filter(|block| block.language == "toml") {
            let file = folder.path().join("larder.toml");
            std::fs::write(&file, &block.text).unwrap();
            let larder = larder::Larder::builder().file(&file).environment([("NOT", "ours")]).build();
            assert!(larder.is_ok(), "{}:{}: {}", path.display(), block.line, larder.unwrap_err());
            pieces += 1;
        }
    }
    assert!(pieces > 10, "{pieces}");
}

/// The shape that every page of a feature has, and a place in the index.
#[test]
fn every_feature_page_answers_the_same_questions() {
    let questions = [
        "**The problem.**",
        "**What Larder does.**",
        "```rust\n",
        "**What it costs.**",
        "**When not.**",
        "**What this does not solve.**",
    ];
    let index = read(&docs("features/README.md"));
    for path in features().into_iter().filter(|path| !path.ends_with("README.md")) {
        let (name, page) = (path.file_name().unwrap().display().to_string(), read(&path));
        let places: Vec<_> = questions
            .iter()
            .map(|question| page.find(question).unwrap_or_else(|| panic!("{name} has no {question}")))
            .collect();
        assert!(places.is_sorted(), "{name}: {places:?}");
        assert!(index.contains(&format!("]({name})")), "{name} is not in the index");
        assert!(page.lines().count() <= 80, "{name} is longer than a page");
    }
}

#[test]
fn an_excerpt_may_be_further_left_and_leave_lines_out() {
    let source = "fn a() {\n    one();\n\n    two();\n    three();\n}\n";
    assert_eq!(is_in("one();\n\ntwo();\n", source), Ok(()));
    assert_eq!(is_in("fn a() {\n    // …\n    three();\n}\n", source), Ok(()));
    assert_eq!(is_in("one();\ntwo();\n", source), Err("one();\ntwo();".to_owned()));
    assert_eq!(is_in("three();\n// …\none();\n", source), Err("one();".to_owned()));
    assert_eq!(is_in("one();\n\n  two();\n", source), Err("one();\n\n  two();".to_owned()));
    assert_eq!(is_in("ne();\n", source), Err("ne();".to_owned()));
}
