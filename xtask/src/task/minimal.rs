//! `cargo xtask minimal`: the published crates also build with the oldest version of each dependency that their manifests allow.

use std::{fs, path::Path};

use crate::Outcome;
use crate::metadata::Metadata;
use crate::shell;

/// Checks a copy of the workspace whose lock file has the oldest versions of what it names itself. Its libraries only: what
/// tests need is nobody else's business.
pub(crate) fn run(_: &[String]) -> Outcome {
    let metadata = Metadata::of_workspace()?;
    let copy = metadata.target_directory().join("minimal");
    let tree = copy.join("tree");
    copy_into(&tree, &metadata)?;

    let cargo = |arguments: &[&str]| {
        let mut command = shell::cargo(arguments);
        // Choosing the oldest versions is an unstable option of Cargo.
        command.current_dir(&tree).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", copy.join("target"));
        command
    };
    shell::run(&mut cargo(&["update", "--quiet", "-Z", "direct-minimal-versions"]))?;
    let mut check = cargo(&["check", "--quiet", "--all-features"]);
    check.args(metadata.published().flat_map(|package| ["--package", package.name()]));
    shell::run(&mut check)
}

/// Copies the published crates without what only tests need, so that no version is chosen for their sake.
fn copy_into(tree: &Path, metadata: &Metadata) -> Outcome {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    let root = shell::root();
    let mut members = Vec::new();
    for package in metadata.published() {
        let folder = package.folder().ok_or("a package has no folder")?;
        let member = folder.strip_prefix(&root)?.display().to_string();
        copy_folder(&folder.join("src"), &tree.join(&member).join("src"))?;
        let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
        fs::write(tree.join(&member).join("Cargo.toml"), without_tests(&manifest))?;
        // A crate's front page is included in its documentation.
        let readme = folder.join("README.md");
        if readme.is_file() {
            fs::copy(&readme, tree.join(&member).join("README.md"))?;
        }
        members.push(format!("{member:?}"));
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let (before, rest) = manifest.split_once("members = [").ok_or("the workspace has no list of members")?;
    let (_, after) = rest.split_once(']').ok_or("the list of members has no end")?;
    fs::write(tree.join("Cargo.toml"), format!("{before}members = [{}]{after}", members.join(", ")))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// A manifest without the tables of what tests, benchmarks and models need.
fn without_tests(manifest: &str) -> String {
    let is_of_tests = |table: &str| {
        let is_target = ["[[test", "[[bench", "[[example"].iter().any(|start| table.starts_with(start));
        is_target || table.contains("dev-dependencies") || table.contains("larder_loom")
    };
    let mut is_dropped = false;
    let kept = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            is_dropped = is_of_tests(line);
        }
        !is_dropped
    });
    kept.map(|line| [line, "\n"].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::without_tests;

    #[test]
    fn only_what_tests_need_goes() {
        let manifest = "[dependencies]\nbytes = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n[features]\njson = []\n\
            [[bench]]\nname = \"a\"\n[target.\"cfg(larder_loom)\".dependencies]\nloom = \"0.7\"\n[lints]\n";
        assert_eq!(
            without_tests(manifest),
            "[dependencies]\nbytes = \"1\"\n[features]\njson = []\n[lints]\n"
        );
    }
}
