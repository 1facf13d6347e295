//! The example program, run twice.

#[allow(dead_code, reason = "its main function is for the command line")]
#[path = "../examples/service/main.rs"]
mod service;

use std::path::Path;

use larder::cache::Status;

#[tokio::test]
async fn the_second_run_loads_nothing() {
    let text = include_str!("../examples/service/larder.toml");
    // A disk that is busy with other things would make it a test of the disk.
    let patient = text.replace("deadline = \"100ms\"", "deadline = \"20s\"");
    assert_ne!(patient, text);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("larder.toml"), patient).unwrap();
    let file = folder.path().join("articles.redb");
    for expected in [Status::Loaded, Status::Hit] {
        let larder = service::open(folder.path(), &file).unwrap();
        let seen = service::read(&larder.cache("articles").unwrap()).await.unwrap();
        assert_eq!(seen, [expected; 3]);
        larder.close().await.unwrap();
    }
}

/// A setting that the backend does not have is found like one of Larder's own.
#[test]
fn a_mistyped_setting_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[stores.disk]\nbackend = \"redb\"\npath = \"x.redb\"\nmax_entires = 5\n";
    std::fs::write(folder.path().join("larder.toml"), text).unwrap();
    let error = service::open(folder.path(), Path::new("x.redb")).unwrap_err().chain().to_string();
    assert!(error.contains("stores.disk.max_entires") && error.contains("max_entries"), "{error}");
}
