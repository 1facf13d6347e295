//! What the pages under `docs/proxy` and the README say to write into a configuration is accepted as it stands there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use larder_test_servers::Certificates;

/// A block of TOML, and the page that it is on.
struct Block {
    page: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("../docs/proxy")).unwrap().map(|entry| entry.unwrap().path());
    let pages =
        pages.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut blocks = Vec::new();
    for path in pages {
        let page = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let mut rest = &*text;
        while let Some((_, after)) = rest.split_once("```toml\n") {
            let (block, after) = after.split_once("```").unwrap();
            blocks.push(Block { page: page.clone(), text: block.to_owned() });
            rest = after;
        }
    }
    blocks
}

/// What a block leaves out, so that it is a whole configuration.
fn completed(block: &str) -> String {
    let mut whole = block.to_owned();
    if !block.contains("[upstreams.") {
        whole.push_str("\n[upstreams.es]\naddresses = [\"http://127.0.0.1:9200\"]\n");
    }
    if !block.contains("[routes.") {
        whole.push_str("\n[routes.es]\nupstream = \"es\"\nmode = \"search-elasticsearch\"\n");
    } else if !block.contains("upstream = ") {
        whole = whole.replacen(
            "[routes.es.",
            "[routes.es]\nupstream = \"es\"\nmode = \"search-elasticsearch\"\n\n[routes.es.",
            1,
        );
    }
    whole
}

/// In a folder of its own, with the files that pages name.
fn check(block: &Block, folder: &Path, certificates: &Certificates) {
    fs::copy(certificates.server_certificate(), folder.join("proxy.crt")).unwrap();
    fs::copy(certificates.server_key(), folder.join("proxy.key")).unwrap();
    let file: PathBuf = folder.join("larder.toml");
    fs::write(&file, completed(&block.text)).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_larder-proxy"));
    program.env_clear().env("LARDER_PROXY_TOKEN", "a token of many characters").current_dir(folder);
    let output = program.arg("--config").arg(&file).arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{}\n{said}", block.page, completed(&block.text));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(!shown.contains("a token of many"), "{shown}");
}

#[test]
fn each_block_is_accepted() {
    let blocks = blocks();
    let certificates = Certificates::generate();
    for block in &blocks {
        check(block, tempfile::tempdir().unwrap().path(), &certificates);
    }
    let of = |page: &str| blocks.iter().filter(|block| block.page == page).count();
    assert!(of("operation.md") >= 6 && of("search-elasticsearch.md") >= 1 && of("README.md") >= 1);
}
