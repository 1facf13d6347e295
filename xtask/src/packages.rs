//! Programs from the operating system's packages: installed where that is possible, asked for where it is not.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::shell;

/// A program, and the Debian package that has it.
pub(crate) struct Needed {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

/// Makes sure that all the programs are there.
pub(crate) fn ensure(needed: &[Needed]) -> Outcome {
    let missing: Vec<_> = needed.iter().filter(|needed| !is_there(needed.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|needed| needed.package).collect();
    install(&packages)?;
    match missing.iter().find(|needed| !is_there(needed.program)) {
        None => Ok(()),
        Some(needed) => Err(format!("{} was installed and has no {}", needed.package, needed.program).into()),
    }
}

/// Installs Debian packages, or says how to.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    let packages_list = packages.join(" ");
    if !is_root() || !is_there("apt-get") {
        return Err(format!(
            "missing on this machine: {packages_list}. On Debian or Ubuntu:\n  \
             sudo apt-get update && sudo apt-get install -y {packages_list}\n\
             elsewhere, the packages of the same name of your system"
        )
        .into());
    }
    shell::run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends"]).args(packages);
    shell::run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// A process's entry belongs to the user it runs as; where there is no `/proc`, there is no apt either.
fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|entry| entry.uid() == 0)
}
