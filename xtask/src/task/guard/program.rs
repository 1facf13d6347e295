//! The program that is counted: `integration-tests/guard`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::shell;

/// The program, built.
pub(super) struct Program(PathBuf);

/// One thing that it can do.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) needs_redis: bool,
}

impl Program {
    pub(super) fn build(target: &Path) -> Outcome<Self> {
        shell::run(&mut shell::cargo(["build", "--quiet", "--profile", "guard", "--package", "cost-guard"]))?;
        Ok(Self(target.join("guard/cost-guard")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What it can do, as it lists it.
    pub(super) fn scenarios(&self) -> Outcome<Vec<Scenario>> {
        let list = String::from_utf8(shell::output(&mut Command::new(&self.0))?)?;
        let scenario = |line: &str| {
            let mut columns = line.split('\t').map(str::to_owned);
            let (name, server, about) = (columns.next()?, columns.next()?, columns.next()?);
            Some(Scenario { name, about, needs_redis: server == "redis" })
        };
        list.lines()
            .map(|line| scenario(line).ok_or_else(|| format!("the program lists `{line}`").into()))
            .collect()
    }
}
