//! `cargo xtask minimal`: the published crates build with the oldest versions of their dependencies that their manifests allow.
//!
//! Those of dependencies' own dependencies are the newest: what others state is theirs to keep. In a copy, without what is only
//! for tests: tools that are used here may be newer than what users need, and `Cargo.lock` stays as it is.

use std::fs;
use std::path::Path;

use crate::Outcome;
use crate::metadata::Metadata;
use crate::shell::{self, cargo};

/// Checks every published crate with all its features, with `-Z direct-minimal-versions`, which this compiler has and does not
/// offer.
pub(crate) fn run(_: &[String]) -> Outcome {
    let metadata = Metadata::of_workspace()?;
    let copy = metadata.target_directory().join("minimal");
    if copy.exists() {
        fs::remove_dir_all(copy.join("workspace")).ok();
    }
    let workspace = copy.join("workspace");
    let root = shell::root();
    let mut folders = Vec::new();
    for package in metadata.published() {
        let folder = package.folder().strip_prefix(&root)?.to_owned();
        copy_folder(&root.join(&folder).join("src"), &workspace.join(&folder).join("src"))?;
        for file in fs::read_dir(root.join(&folder))? {
            let file = file?;
            let is_text = file.path().extension().is_some_and(|extension| extension == "md");
            if is_text {
                fs::copy(file.path(), workspace.join(&folder).join(file.file_name()))?;
            }
        }
        let manifest = fs::read_to_string(root.join(&folder).join("Cargo.toml"))?;
        fs::write(workspace.join(&folder).join("Cargo.toml"), for_users(&manifest))?;
        folders.push(folder);
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    fs::write(workspace.join("Cargo.toml"), with_members(&manifest, &folders))?;

    let in_copy = |arguments: &[&str]| {
        let mut command = cargo(arguments);
        command
            .current_dir(&workspace)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", copy.join("target"));
        command
    };
    shell::run(&mut in_copy(&["update", "--quiet", "-Z", "direct-minimal-versions"]))?;
    shell::run(&mut in_copy(&["check", "--workspace", "--all-features", "--locked"]))
}

/// A manifest without what is only for tests, benches and examples.
fn for_users(manifest: &str) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_kept = !["[dev-dependencies]", "[[test]]", "[[bench]]", "[[example]]"].contains(&line)
                && !line.contains("larder_loom");
        }
        if is_kept {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The workspace's manifest with these members only, and without the crates that are only there for tests.
fn with_members<P: AsRef<Path>>(manifest: &str, folders: &[P]) -> String {
    let members: Vec<String> =
        folders.iter().map(|folder| format!("    \"{}\",", folder.as_ref().display())).collect();
    let (before, rest) = manifest.split_once("members = [").unwrap_or((manifest, ""));
    let (_, after) = rest.split_once(']').unwrap_or_default();
    // Profiles name packages that may not be here.
    let after = after.split("\n[profile").next().unwrap_or_default();
    format!("{before}members = [\n{}\n]{after}", members.join("\n"))
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else {
            fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_for_tests_is_left_out() {
        let manifest = "[package]\nname = \"a\"\n\n[dev-dependencies]\nb = \"1\"\n\n[features]\nc = []\n";
        assert_eq!(for_users(manifest), "[package]\nname = \"a\"\n\n[features]\nc = []\n");
        let workspace =
            "[workspace]\nmembers = [\n    \"a\",\n    \"b\",\n]\nexclude = []\n\n[profile.dev]\n";
        assert_eq!(
            with_members(workspace, &["b"]),
            "[workspace]\nmembers = [\n    \"b\",\n]\nexclude = []\n"
        );
    }
}
