//! The page for people, in a browser. It needs Chromium; where there is none, nothing is checked, and that is said.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::common::{Asked, Origin, Running, answer, ask_at, until};
use http::Request;

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

/// What a browser makes of a page: its document as text, and a picture where `LARDER_SCREENSHOTS` names a folder.
fn dom(chromium: &Path, admin: SocketAddr, dark: bool) -> String {
    let url = format!("http://{admin}/");
    let profile = tempfile::tempdir().unwrap();
    let scheme = if dark { "dark" } else { "light" };
    let browse = |output: &[String]| {
        let output = Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
            .args(["--window-size=1200,1500", "--virtual-time-budget=3000"])
            .args(output)
            .arg(&url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    if let Some(folder) = std::env::var_os("LARDER_SCREENSHOTS") {
        let file = Path::new(&folder).join(format!("page-{scheme}.png"));
        browse(&[format!("--screenshot={}", file.display())]);
        assert!(fs::metadata(file).unwrap().len() > 10_000);
    }
    browse(&["--dump-dom".to_owned()])
}

/// The text of the element with this id, without tags.
fn text(dom: &str, id: &str) -> String {
    let start = dom.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {dom}"));
    let inside = &dom[start + dom[start..].find('>').unwrap() + 1..];
    let end =
        ["</div>", "</p>", "</tbody>", "</svg>"].iter().filter_map(|end| inside.find(end)).min().unwrap();
    inside[..end].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_what_there_is_and_runs_nothing_of_it() {
    let Some(chromium) = chromium() else { return };
    let origin = Origin::start(|asked: Asked| async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        answer(&[("cache-control", if asked.target == "/never" { "no-store" } else { "max-age=60" })], "body")
    })
    .await;
    let proxy = Running::start(origin.address, &[]).await;
    let admin = proxy.admin(|| Ok(())).await;
    let hostile = "/\"onload=\"document.title='taken'&amp;{}";
    for path in ["/a", "/a", "/a", hostile, "/never"] {
        assert_eq!(proxy.get(path).await.status, 200);
    }
    until("all are counted", async || {
        ask_at(admin, Request::get("/statistics"), "").await.text().matches("\"excess\"").count() == 6
    })
    .await;
    let page = tokio::task::spawn_blocking({
        let chromium = chromium.clone();
        move || dom(&chromium, admin, false)
    })
    .await
    .unwrap();
    assert_eq!(text(&page, "rate"), "40 %");
    assert_eq!(text(&page, "rate-of"), "2 of 5 requests that could be answered from the cache");
    assert_eq!((text(&page, "requests"), text(&page, "well")), ("5".to_owned(), "1 of 1".to_owned()));
    assert!(text(&page, "saved").ends_with(" ms"), "{}", text(&page, "saved"));
    assert!(text(&page, "asked").contains(&format!("GET {}/a<", proxy.address)), "{}", text(&page, "asked"));
    assert!(
        text(&page, "asked").contains("onload=\"document.title='taken'&amp;amp;{}"),
        "as text: {}",
        text(&page, "asked")
    );
    assert!(page.contains("<title>larder-proxy</title>"), "nothing was run");
    assert!(text(&page, "unstored").contains("no-store"));
    assert!(text(&page, "places").contains(&origin.address.to_string()));
    assert!(
        text(&page, "plot-requests").contains("class=\"hit\"")
            && text(&page, "plot-requests").contains("class=\"miss\"")
    );
    assert!(text(&page, "plot-time").contains("class=\"upstream\""));
    assert_eq!(text(&page, "trouble"), "");
    let dark = tokio::task::spawn_blocking(move || dom(&chromium, admin, true)).await.unwrap();
    assert_eq!(text(&dark, "rate"), "40 %");
}
