//! Where the documents come from: the sources of the crates that this program is made of, or a folder.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::engine::{Document, MAX_TEXT, is_org};

/// What this program was built from, with the versions. Whoever has built it has their sources as well.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// How deep folders are followed; below it there is something wrong.
const MAX_DEPTH: usize = 32;

/// Files of source code, found but not yet read, in an order that depends on nothing but their names and sizes.
#[derive(Debug)]
pub(crate) struct Sources {
    files: Vec<File>,
    /// Where they were found, for people.
    pub(crate) origin: String,
    /// How many folders beside each other they come from: crates, as a rule.
    pub(crate) folders: usize,
    /// Bytes in the files.
    pub(crate) bytes: u64,
    /// Folders left out because of the limit.
    pub(crate) left_out: usize,
    /// Files left out because they are longer than a document may be.
    pub(crate) too_long: usize,
}

#[derive(Debug)]
struct File {
    at: PathBuf,
    org: String,
    path: String,
    len: u64,
}

impl Sources {
    /// The sources of the crates that this program was built from, out of cargo's registry.
    pub(crate) fn of_dependencies(limit: u64) -> io::Result<Self> {
        let home = cargo_home().ok_or_else(|| {
            io::Error::other("neither CARGO_HOME nor HOME says where cargo keeps its sources; give a folder with --sources")
        })?;
        let registries = home.join("registry").join("src");
        let mut folders = Vec::new();
        // One folder per registry; a crate comes from one of them.
        for registry in sorted(&registries).unwrap_or_default() {
            folders.extend(locked(LOCK).map(|name| registry.join(name)).filter(|folder| folder.is_dir()));
        }
        if folders.is_empty() {
            let message = format!(
                "there are no sources of crates in {}; give a folder with --sources",
                registries.display()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        Self::collect(&folders, limit, registries.display().to_string())
    }

    /// The sources in a folder. Each folder in it is an organisation, `name-1.2.3` being a version of `name`; what
    /// stands beside them belongs to the folder itself.
    pub(crate) fn in_folder(folder: &Path, limit: u64) -> io::Result<Self> {
        let inside = sorted(folder).map_err(|why| {
            io::Error::new(why.kind(), format!("{} cannot be read: {why}", folder.display()))
        })?;
        let mut folders: Vec<PathBuf> =
            inside.into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect();
        folders.push(folder.to_owned());
        Self::collect(&folders, limit, folder.display().to_string())
    }

    /// Takes whole folders, the small ones first, so that as many as possible get in.
    fn collect(folders: &[PathBuf], limit: u64, origin: String) -> io::Result<Self> {
        let mut sources = Self { files: Vec::new(), origin, folders: 0, bytes: 0, left_out: 0, too_long: 0 };
        let mut groups = Vec::new();
        for (number, folder) in folders.iter().enumerate() {
            let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            let (org, version) = split_version(name);
            if !is_org(org) {
                continue;
            }
            // The folder around the others comes last and gives only what stands in it directly.
            let depth =
                if folders[..number].iter().any(|inner| inner.starts_with(folder)) { 0 } else { MAX_DEPTH };
            let mut group = Vec::new();
            let prefix = version.map_or_else(String::new, |version| format!("{version}/"));
            sources.too_long += walk(folder, &prefix, org, depth, &mut group)?;
            let len: u64 = group.iter().map(|file| file.len).sum();
            if len > 0 {
                groups.push((len, group));
            }
        }
        groups.sort_by_key(|(len, _)| *len);
        for (len, group) in groups {
            if sources.bytes + len > limit {
                sources.left_out += 1;
                continue;
            }
            sources.bytes += len;
            sources.folders += 1;
            sources.files.extend(group);
        }
        if sources.files.is_empty() {
            let message = format!("there are no Rust sources in {} (within the limit)", sources.origin);
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        Ok(sources)
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Reads the files. One that cannot be read, or is no text, is skipped.
    pub(crate) fn documents(self) -> impl Iterator<Item = Document> {
        self.files.into_iter().filter_map(|file| {
            let text = fs::read_to_string(file.at).ok()?;
            Document::new(file.org, file.path, text).ok()
        })
    }
}

/// Finds the Rust sources below a folder; how many were too long is returned. Links are not followed.
fn walk(folder: &Path, prefix: &str, org: &str, depth: usize, found: &mut Vec<File>) -> io::Result<usize> {
    let mut too_long = 0;
    for at in sorted(folder)? {
        let Some(name) = at.file_name().and_then(|name| name.to_str()) else { continue };
        let path = format!("{prefix}{name}");
        let meta = at.symlink_metadata()?;
        if meta.is_dir() && depth > 0 {
            too_long += walk(&at, &format!("{path}/"), org, depth - 1, found)?;
        } else if meta.is_file() && at.extension().is_some_and(|extension| extension == "rs") {
            if meta.len() > MAX_TEXT as u64 {
                too_long += 1;
            } else {
                found.push(File { org: org.to_owned(), path, len: meta.len(), at });
            }
        }
    }
    Ok(too_long)
}

/// What is in a folder, by name.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut inside: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    inside.sort();
    Ok(inside)
}

fn cargo_home() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_HOME").or_else(|| Some(set("HOME").or_else(|| set("USERPROFILE"))?.join(".cargo")))
}

/// `name-1.2.3` as `name` and `1.2.3`; anything else as it is.
fn split_version(folder: &str) -> (&str, Option<&str>) {
    let version = folder
        .match_indices('-')
        .find(|(at, _)| {
            let mut rest = folder[at + 1..].split('.');
            let number = |part: Option<&str>| {
                part.is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            };
            number(rest.next()) && number(rest.next())
        })
        .map(|(at, _)| at);
    version.map_or((folder, None), |at| (&folder[..at], Some(&folder[at + 1..])))
}

/// The folders that the crates of a lock file have in cargo's registry: `name-1.2.3`.
fn locked(lock: &str) -> impl Iterator<Item = String> {
    lock.split("[[package]]").filter_map(|package| {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
            line.strip_suffix('"')
        };
        field("source")?.starts_with("registry+").then_some(())?;
        Some(format!("{}-{}", field("name")?, field("version")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_names() {
        assert_eq!(split_version("tokio-1.48.0"), ("tokio", Some("1.48.0")));
        assert_eq!(
            split_version("wasi-0.11.1+wasi-snapshot-preview1"),
            ("wasi", Some("0.11.1+wasi-snapshot-preview1"))
        );
        assert_eq!(split_version("sha-1-0.10.1"), ("sha-1", Some("0.10.1")));
        assert_eq!(split_version("redis-2.0.0-rc.2"), ("redis", Some("2.0.0-rc.2")));
        assert_eq!(split_version("alpha"), ("alpha", None));
        assert_eq!(split_version("base64-url"), ("base64-url", None));
    }

    #[test]
    fn the_lock_file_names_what_the_registry_has() {
        let lock = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"a-b\"\n\
                    version = \"1.2.3\"\nsource = \"registry+https://example.org\"\nchecksum = \"00\"\ndependencies = [\n \"c\",\n]\n";
        assert_eq!(locked(lock).collect::<Vec<_>>(), ["a-b-1.2.3"]);
        assert!(locked(LOCK).any(|folder| folder.starts_with("tantivy-")));
    }
}
