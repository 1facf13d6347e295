//! `cargo xtask search-…`: real search servers, `larder-proxy` in front of them, and scripts that ask (`integration-tests/search`).
//! The servers are pinned packages of PyPI: where they cannot be had, the tasks fail.

pub(crate) mod clients;
pub(crate) mod differential;
pub(crate) mod memory;
pub(crate) mod traps;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, metadata::Metadata, python, shell};

/// Where the servers are: one says it itself, the other is where its package is.
const RESOLVE: &str = "import osmem_server, noida_db, os; print(osmem_server.resolve_binary()); \
                       print(os.path.join(os.path.dirname(noida_db.__file__), 'noida-db'))";

/// What runs in front of a search server need.
struct Programs {
    python: PathBuf,
    osmem: String,
    noida: String,
    proxy: PathBuf,
}

impl Programs {
    /// Installs and builds them, where they are not there.
    fn ready() -> Outcome<Self> {
        let target = Metadata::of_workspace()?.target_directory();
        let python = python::search(&target)?;
        let printed = String::from_utf8(shell::output(Command::new(&python).args(["-c", RESOLVE]))?)?;
        let mut lines = printed.lines().map(str::to_owned);
        let (Some(osmem), Some(noida)) = (lines.next(), lines.next()) else {
            return Err("the search servers are not where their packages say".into());
        };
        Ok(Self { python, osmem, noida, proxy: proxy(&target)? })
    }

    /// The search servers, as the scripts take them.
    fn engines(&self) -> [String; 4] {
        let [osmem, noida] = [format!("osmem={}", self.osmem), format!("noida={}", self.noida)];
        ["--program".to_owned(), osmem, "--program".to_owned(), noida]
    }

    /// A run of one of the scripts.
    fn script(&self, name: &str) -> Command {
        script(&self.python, name, &self.proxy)
    }
}

/// The program `larder-proxy`, as users have it.
fn proxy(target: &Path) -> Outcome<PathBuf> {
    shell::run(&mut shell::cargo(["build", "--release", "--quiet", "--package", "larder-proxy"]))?;
    Ok(target.join("release/larder-proxy"))
}

fn script(python: &Path, name: &str, proxy: &Path) -> Command {
    let mut run = Command::new(python);
    // No folder of compiled modules beside the sources.
    run.arg("-B").arg(shell::root().join("integration-tests/search").join(name)).arg("--proxy").arg(proxy);
    run.current_dir(shell::root());
    run
}
