//! Configuration files: which ones are read, within which bounds, and what they hold. A message about a file
//! never shows a line of it, since the line may hold a secret.

use std::{
    fs::{self, File, FileType, Metadata},
    io::{self, ErrorKind as Io, Read as _},
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};

use super::{
    error::Mistake,
    origin::{Layer, Origin},
    parse,
    places::Places,
    secrecy, text,
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The ends of the names that a file may have.
pub(super) const EXTENSIONS: [&str; 4] = ["toml", "yaml", "yml", "json"];
/// What was open when the program was started, pipes included.
const INHERITED: [&str; 3] = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"];
/// The file that is empty by definition.
const NOTHING: &str = "/dev/null";

/// The file that was named, or the one file `larder.toml`, `.yaml`, `.yml` or `.json` in the directory.
pub(super) fn find(named: Option<&Path>, directory: &Path) -> Result<Option<PathBuf>, Mistake> {
    match named {
        Some(named) => Ok(Some(named.to_owned())),
        None => only_one(&directory.join("larder")),
    }
}

/// The profile's file beside the configuration file: `larder.production.toml` beside `larder.toml`.
pub(super) fn find_profile(stem: &Path, profile: &str) -> Result<Option<PathBuf>, Mistake> {
    only_one(&with_extension(stem, profile))
}

/// The configuration file's name without its ending, where there is one or would be.
pub(super) fn stem(file: Option<&Path>, directory: &Path) -> PathBuf {
    file.map_or_else(|| directory.join("larder"), |file| file.with_extension(""))
}

fn only_one(stem: &Path) -> Result<Option<PathBuf>, Mistake> {
    let mut found = Vec::new();
    for extension in EXTENSIONS {
        let path = with_extension(stem, extension);
        match is_there(&path) {
            Ok(true) => found.push(path),
            Ok(false) => {}
            Err(error) => {
                let why = format!("it cannot be determined whether this file exists: {error}");
                return Err(Mistake::in_place(Origin::new(Layer::File, show(&path)), why));
            }
        }
    }
    match (found.pop(), found.pop()) {
        (Some(one), Some(other)) => {
            let message = format!("there is {} as well; keep one of them", text::quoted(&show(&one)));
            Err(Mistake::in_place(Origin::new(Layer::File, show(&other)), message))
        }
        (found, _) => Ok(found),
    }
}

/// Whether something has this name, be it a link that leads nowhere.
fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Io::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn with_extension(stem: &Path, extension: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// A path as it is shown: without a leading `./`, and not if it looks like a secret that was put in its place.
pub(super) fn show(path: &Path) -> String {
    let shown = path.strip_prefix(".").unwrap_or(path).display().to_string();
    if secrecy::looks_like_a_path(&shown) {
        shown
    } else {
        text::cut(&secrecy::hidden(&shown), 256).into_owned()
    }
}

/// Reads a file into a table.
pub(super) fn read(path: &Path, origin: &Origin) -> Result<(Dict, Places), Mistake> {
    let refuse = |why: String| Mistake::in_place(origin.clone(), why);
    let text = read_text(path, MAX_FILE).map_err(refuse)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let document = parse::parse(extension, &text)
        .map_err(|syntax| Mistake::in_place(origin.at(syntax.at), syntax.why))?;
    match document.value {
        Value::Dict(_, dict) => Ok((dict, document.places)),
        _ => Err(refuse("is not a table with the sections of a configuration".to_owned())),
    }
}

/// Reads text from a file that may hold anything, and may be anything but a file.
pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let describe = |error: io::Error| describe(path, &error);
    // Before it is opened, since opening a pipe waits for its other end.
    check_kind(path, &fs::metadata(path).map_err(describe)?)?;
    let file = File::open(path).map_err(describe)?;
    let mut bytes = read_whole(&file, limit, || ()).map_err(describe)??;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16; save it as UTF-8".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

fn describe(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        Io::NotFound if fs::symlink_metadata(path).is_ok() => {
            "is a link to a file that does not exist".to_owned()
        }
        Io::NotFound => "there is no such file".to_owned(),
        Io::PermissionDenied => "cannot be read: this process does not have the permission".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), String> {
    let refuse = |what: &str| Err(format!("is {what}, expected a file"));
    let kind = metadata.file_type();
    if kind.is_file() || path == Path::new(NOTHING) {
        return Ok(());
    }
    if kind.is_dir() {
        return refuse("a directory");
    }
    let is_inherited = path.to_str().is_some_and(|path| INHERITED.iter().any(|open| path.starts_with(open)));
    match other_kind(kind) {
        // As in `service --config <(make-configuration)`: somebody writes to it, and then closes it.
        "a pipe" if is_inherited => Ok(()),
        other => refuse(other),
    }
}

#[cfg(unix)]
fn other_kind(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    match () {
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn other_kind(_: FileType) -> &'static str {
    "a device"
}

/// Reads everything, unless it is too much or changes meanwhile: half of an old file and half of a new one may be
/// a configuration that nobody wrote. The last argument runs when everything has been read.
fn read_whole(mut file: &File, limit: u64, then: impl FnOnce()) -> io::Result<Result<Vec<u8>, String>> {
    let state = |metadata: &Metadata| (metadata.len(), metadata.modified().ok());
    let before = file.metadata()?;
    let mut bytes = Vec::new();
    // One more than allowed tells a file that is too large from one that just fits.
    file.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    then();
    if bytes.len() as u64 > limit {
        return Ok(Err(format!("has more than {limit} bytes")));
    }
    if before.is_file() && state(&before) != state(&file.metadata()?) {
        let why =
            "was changed while it was read; write the new one beside it under another name and rename it";
        return Ok(Err(why.to_owned()));
    }
    Ok(Ok(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(path.path(), "a = 1\n").unwrap();
        let file = File::open(path.path()).unwrap();
        let append = || path.as_file().write_all(b"b = 2\n").unwrap();
        let why = read_whole(&file, 100, append).unwrap().unwrap_err();
        assert!(why.starts_with("was changed while it was read"), "{why}");
        let file = File::open(path.path()).unwrap();
        assert_eq!(read_whole(&file, 100, || ()).unwrap().unwrap().len(), 6);
    }
}
