//! The page of a plan in a browser, light and dark: as a picture, and as what a screen reader says. It needs Chromium; where
//! there is none, nothing is checked, and that is said.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{nasa, run};

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

fn browse(chromium: &Path, page: &Path, is_dark: bool, output: &str) -> Vec<u8> {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)))
        .args(["--window-size=1200,2400", "--virtual-time-budget=2000", "--force-device-scale-factor=1"])
        .arg(output)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn plan(folder: &Path) -> PathBuf {
    let page = folder.join("plan.html");
    let nasa = nasa();
    run(["plan", "--post", "read", "--ttl", "60s,5m,15m,1h", "--html", page.to_str().unwrap(), &nasa]).ok();
    page
}

/// The colour of the first pixel of a PNG whose rows are filtered: only the first is read, which is filtered by nothing before it.
fn corner(png: &[u8]) -> [u8; 3] {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let mut data = Vec::new();
    let mut rest = &png[8..];
    while rest.len() > 12 {
        let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        if &rest[4..8] == b"IDAT" {
            data.extend_from_slice(&rest[8..8 + len]);
        }
        rest = &rest[12 + len..];
    }
    let mut row = [0; 4];
    std::io::Read::read_exact(&mut flate2::read::ZlibDecoder::new(data.as_slice()), &mut row).unwrap();
    [row[1], row[2], row[3]]
}

#[test]
fn light_and_dark_in_a_picture() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = plan(folder.path());
    let kept = std::env::var_os("LARDER_SCREENSHOTS").map(PathBuf::from);
    let pictures = [false, true].map(|is_dark| {
        let name = format!("plan-{}.png", if is_dark { "dark" } else { "light" });
        let picture = kept.as_deref().unwrap_or(folder.path()).join(name);
        browse(&chromium, &page, is_dark, &format!("--screenshot={}", picture.display()));
        fs::read(picture).unwrap()
    });
    let [light, dark] = pictures.each_ref().map(|png| {
        assert!(png.len() > 30_000, "a page with plots: {} bytes", png.len());
        corner(png).map(u32::from).iter().sum::<u32>()
    });
    assert!(light > 3 * 220 && dark < 3 * 60, "light {light}, dark {dark}");
}

#[test]
fn what_a_screen_reader_is_told() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = plan(folder.path());
    let dom = String::from_utf8(browse(&chromium, &page, false, "--dump-dom")).unwrap();
    // Every plot is a picture with a name, and its figures stand in a table as well.
    let plots = dom.matches("<svg").count();
    assert!(plots >= 5, "{plots}");
    assert_eq!(dom.matches("role=\"img\"").count(), plots);
    for name in [
        "Hit ratio by TTL",
        "Hit ratio by bytes of values",
        "Hit ratio over time, by TTL",
        "Requests over time",
    ] {
        assert!(dom.contains(&format!("aria-label=\"{name}")), "{name}");
    }
    assert!(dom.contains("<html lang=\"en\"") && dom.contains("<h1>"));
    let headings = [
        "By TTL",
        "By size",
        "Over time",
        "Traffic by key",
        "What the next GiB buys",
        "What the figures rest on",
    ];
    assert!(headings.iter().all(|head| dom.contains(&format!("<h2>{head}</h2>"))));
    for figure in ["38.00 %", "58.26 %", "70.02 %", "81.46 %", "31.3 MB"] {
        assert!(dom.contains(figure), "{figure}");
    }
}
