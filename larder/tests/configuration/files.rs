//! A file that is there and cannot be read is an error: a service must not run on its defaults, in memory, without anybody
//! hearing of it.

#![cfg(unix)]

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use crate::setup::Setup;

fn with(make: impl FnOnce(&Path)) -> String {
    let setup = Setup::new().variable("LARDER_STORES__MAIN__BACKEND", "local");
    make(Path::new(&setup.path("larder.toml")));
    setup.mistake()
}

#[test]
fn a_link_that_leads_nowhere() {
    let mistake = with(|file| symlink("/missing/larder.toml", file).unwrap());
    assert_eq!(mistake, "file larder.toml: is a link to a file that does not exist");
    let mistake = with(|file| symlink(file, file).unwrap());
    assert!(mistake.starts_with("file larder.toml: cannot be read: "), "{mistake}");
}

#[test]
fn a_link_that_leads_to_a_file_is_read() {
    let setup = Setup::new().file("real", "[stores.main]\nbackend = \"local\"\n");
    symlink("real", setup.path("larder.toml")).unwrap();
    assert_eq!(setup.explained("stores.main.backend"), "\"local\" from file larder.toml");
}

#[test]
fn what_is_no_file() {
    let mistake = with(|file| fs::create_dir(file).unwrap());
    assert_eq!(mistake, "file larder.toml: is a directory, expected a file");
    let mistake = with(|file| drop(UnixListener::bind(file).unwrap()));
    assert_eq!(mistake, "file larder.toml: is a socket, expected a file");
    // Opening it would wait for a writer, for ever.
    let mistake = with(|file| assert!(Command::new("mkfifo").arg(file).status().unwrap().success()));
    assert_eq!(mistake, "file larder.toml: is a pipe, expected a file");
}

/// Somebody must be able to look into the directory to know that nothing is there.
#[test]
fn where_it_cannot_be_known_whether_there_is_one() {
    let setup = Setup::new().file("a", "");
    let builder = setup.builder().directory(setup.path("a"));
    assert_eq!(setup.mistakes_of(builder).len(), 1);
    let builder = setup.builder().directory(setup.path("missing"));
    assert!(setup.mistakes_of(builder)[0].starts_with("there is no directory "));
    // Below a file there is nothing to look at.
    let below = setup.path("a/larder.toml");
    let mistake = setup.mistakes_of(setup.builder().file(below)).remove(0);
    assert!(mistake.contains("cannot be read: "), "{mistake}");
    // A name that is too long for the file system: it is neither there nor not there.
    let long = "x".repeat(300);
    let setup = Setup::new().file("larder.toml", "").variable("LARDER_PROFILE", &long[..60]);
    assert!(setup.mistake().contains("is not found"));
}

/// Not as root, who may read everything; then the links above are what shows it.
#[test]
fn what_another_user_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Setup::new().file("larder.toml", "[stores.main]\nbackend = \"local\"\n");
    let path = setup.path("larder.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&path).is_ok() {
        setup.build();
    } else {
        let expected = "file larder.toml: cannot be read: this process does not have the permission";
        assert_eq!(setup.mistake(), expected);
    }
}

#[test]
fn profiles_files_as_well() {
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\n").variable("LARDER_PROFILE", "p");
    symlink("/missing/larder.p.toml", setup.path("larder.p.toml")).unwrap();
    assert_eq!(setup.mistake(), "file larder.p.toml: is a link to a file that does not exist");
}

#[test]
fn marks_of_encodings() {
    let setup = Setup::new().file("larder.toml", "\u{feff}[stores.main]\nbackend = \"local\"\n");
    setup.build();
    let utf16: Vec<u8> = "\u{feff}[stores.main]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(
        Setup::new().file("larder.toml", utf16).mistake(),
        "file larder.toml: is UTF-16; save it as UTF-8"
    );
}

/// What the shell has opened may be a pipe: `service < configuration`.
#[test]
fn what_was_open_already_may_be_a_pipe() {
    use std::io::Write as _;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"[stores.main]\nbackend = \"local\"\n").unwrap();
    drop(writer);
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
    let setup = Setup::new();
    let larder = setup.builder().file(&path).build().unwrap();
    let expected = format!("\"local\" from file {path}:2:1");
    assert_eq!(setup.explained_of(&larder, "stores.main.backend"), expected);
}
