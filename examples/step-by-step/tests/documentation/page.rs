//! The blocks of a page, and what each was marked as.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A fenced block.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// The first line inside the fence, counted from 1.
    pub(crate) line: usize,
    /// What stands behind the opening fence.
    pub(crate) language: String,
    pub(crate) mark: Option<Mark>,
    pub(crate) text: String,
}

/// What a block is said to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    Excerpt(String),
    Output(String),
}

/// The folder of this crate.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page under `docs/`.
pub(crate) fn docs(name: &str) -> PathBuf {
    here().join("../../docs").join(name)
}

/// The pages of `docs/features`.
pub(crate) fn features() -> Vec<PathBuf> {
    let pages = fs::read_dir(docs("features")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = pages.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.sort();
    pages
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut mark = None;
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) => {
                let (line, language) = (number + 1, language.to_owned());
                open = Some(Block { line, language, mark: mark.take(), text: String::new() });
            }
            (None, None) if line.is_empty() => {}
            (None, None) => mark = marked(line),
        }
    }
    assert_eq!(open, None, "a block has no end");
    blocks
}

fn marked(line: &str) -> Option<Mark> {
    let (what, of) = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")?;
    match what {
        "excerpt" => Some(Mark::Excerpt(of.to_owned())),
        "output" => Some(Mark::Output(of.to_owned())),
        _ => panic!("an unknown mark: {line}"),
    }
}

#[test]
fn a_block_has_the_mark_before_it() {
    let text = "a\n<!-- excerpt: src/a.rs -->\n```rust\nlet a;\n\n```\n\n```text\n```\n";
    let excerpt = Mark::Excerpt("src/a.rs".to_owned());
    let [first, second] = &blocks(text)[..] else { panic!("{:?}", blocks(text)) };
    assert_eq!(first.mark, Some(excerpt));
    assert_eq!((first.line, first.text.as_str()), (4, "let a;\n\n"));
    assert_eq!((second.mark.clone(), second.language.as_str()), (None, "text"));
}
