//! The page, in a browser. It needs Chromium; where there is none, nothing is checked, and that is said.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use common::{Service, Sources};

/// A Chromium: the one that `LARDER_CHROMIUM` names, or one that is installed.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LARDER_CHROMIUM") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        eprintln!("NOT CHECKED: there is no Chromium (LARDER_CHROMIUM names one)");
    }
    found
}

/// What a browser has made of a page, as text.
fn dom(chromium: &Path, url: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("chromium-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=5000", "--dump-dom", url])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let _ = fs::remove_dir_all(profile);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The text of the element with this id, without tags.
fn text(dom: &str, id: &str) -> String {
    let start = dom.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {dom}"));
    let inside = &dom[start + dom[start..].find('>').unwrap() + 1..];
    let end = ["</div>", "</p>", "</dd>", "</ol>", "</code>", "</title>", "</span>"];
    let end = end.iter().filter_map(|end| inside.find(end)).min().unwrap();
    inside[..end].to_owned()
}

#[test]
fn it_searches_and_shows_where_the_answer_came_from() {
    let Some(chromium) = chromium() else { return };
    let hostile = "pub struct Task; // <script>document.title = 'taken'</script> & <b>task</b>\n";
    let sources = Sources::some();
    sources.write("hostile/a.rs", hostile);
    let service = Service::start(&sources, &[]);

    let first = dom(&chromium, &service.url("/?q=task"));
    assert_eq!(text(&first, "from"), "Made for you, and kept");
    assert_eq!(text(&first, "header"), "Cache-Status: larder; fwd=miss; stored");
    assert!(text(&first, "times").contains("ms for the ids, "), "{}", text(&first, "times"));
    assert_eq!(text(&first, "found"), "3 documents found");
    assert!(first.contains("<h3>alpha/src/task.rs</h3>") && first.contains("<mark>Task</mark>"), "{first}");
    assert!(first.contains("<title>Search, cached</title>"), "what is found is shown, not run");
    assert!(first.contains("&lt;script&gt;"), "{first}");
    assert_eq!(text(&first, "rate"), "0 %");

    let second = dom(&chromium, &service.url("/?q=task"));
    assert!(text(&second, "from").starts_with("From the cache, for another "), "{second}");
    assert_eq!(text(&second, "rate"), "50 %");
    assert_eq!(text(&second, "store"), "main (memory)");
    let chart = text(&second, "chart-text");
    assert_eq!(chart, "In the last five minutes, answers from the cache: 1 of 2");
    assert!(second.contains("class=\"hits\"") && second.contains("class=\"misses\""), "{second}");
    assert!(second.contains(">beta-core</button>"), "popular crates");
}

#[test]
fn it_says_what_is_wrong() {
    let Some(chromium) = chromium() else { return };
    let service = Service::start(&Sources::some(), &[]);
    let refused = dom(&chromium, &service.url("/?q=-%3E"));
    assert_eq!(text(&refused, "from"), "No answer");
    assert_eq!(text(&refused, "times"), "q must have at least one word to look for");
    let nothing = dom(&chromium, &service.url("/?q=absent"));
    assert_eq!(text(&nothing, "found"), "0 documents found");
}
