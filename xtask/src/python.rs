//! Pythons with what tests of other languages' readers need, and with programs that come in Python packages, kept in the build
//! directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::{packages, shell};

/// The path of a Python that has the modules of `xtask/python-requirements.txt`.
pub(crate) fn prepare(target: &Path) -> Outcome<PathBuf> {
    environment(&target.join("python"), "xtask/python-requirements.txt")
}

/// The folder of the programs that the packages of `xtask/tool-requirements.txt` contain.
pub(crate) fn tools(target: &Path) -> Outcome<PathBuf> {
    let mut python = environment(&target.join("tools"), "xtask/tool-requirements.txt")?;
    python.pop();
    Ok(python)
}

/// The path of a Python that has the search servers of `integration-tests/search/requirements.txt`.
pub(crate) fn search(target: &Path) -> Outcome<PathBuf> {
    environment(&target.join("search"), "integration-tests/search/requirements.txt")
}

/// The path of a Python that has a client library of `integration-tests/search/clients`.
pub(crate) fn search_client(target: &Path, client: &str) -> Outcome<PathBuf> {
    let requirements = format!("integration-tests/search/clients/{client}.txt");
    environment(&target.join("search-clients").join(client), &requirements)
}

fn environment(environment: &Path, requirements: &str) -> Outcome<PathBuf> {
    let requirements = shell::root().join(requirements);
    let wanted = fs::read_to_string(&requirements)?;
    let python = environment.join("bin/python");
    // Written last, so an environment that was interrupted halfway is made again.
    let stamp = environment.join("installed.txt");
    let installed = fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    if installed && shell::succeeds(Command::new(&python).arg("--version")) {
        return Ok(python);
    }

    create(environment)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    shell::run(pip.arg(&requirements)).map_err(|error| {
        format!("the packages of {} could not be installed: {error}", requirements.display())
    })?;
    fs::write(stamp, wanted)?;
    Ok(python)
}

fn create(environment: &Path) -> Outcome {
    let create = || shell::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment));
    if create().is_ok() {
        return Ok(());
    }
    // Debian's python3 comes without what `venv` needs.
    packages::install(&["python3", "python3-venv"])?;
    create()
}
