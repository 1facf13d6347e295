//! The programs of the suite, built with the whole workspace: a package that is built alone has other features of its
//! dependencies, which would then be built a second time.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{Outcome, shell};

/// Each with the folder of its package, and its name.
pub(super) struct Programs(Vec<(PathBuf, String, PathBuf)>);

impl Programs {
    pub(super) fn build() -> Outcome<Self> {
        let mut cargo = shell::cargo(["build", "--quiet", "--workspace", "--test", "conformance"]);
        cargo.args([
            "--test",
            "reference",
            "--example",
            "mutants",
            "--example",
            "report",
            "--message-format",
            "json-render-diagnostics",
        ]);
        Ok(Self::of(&String::from_utf8(shell::output(&mut cargo)?)?))
    }

    /// Reads what cargo tells, a line for each thing that it has built.
    fn of(messages: &str) -> Self {
        let programs = messages.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((folder, name, message["executable"].as_str()?.into()))
        });
        Self(programs.collect())
    }

    /// The program of this name in the package whose folder is called so; it runs in that folder, as cargo has it.
    pub(super) fn command(&self, folder: &str, name: &str) -> Outcome<Command> {
        let found = self.0.iter().find(|(of, called, _)| of.ends_with(folder) && called == name);
        let (of, _, program) = found.ok_or_else(|| format!("cargo has built no {name} in {folder}"))?;
        let mut command = Command::new(program);
        command.current_dir(of);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_what_was_built() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/w/core/Cargo.toml","target":{"name":"core"},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","target":{"name":"suite"},"executable":"/w/target/suite-1"}
{"reason":"build-finished","success":true}"#;
        let programs = Programs::of(messages);
        let command = programs.command("tests", "suite").unwrap();
        assert_eq!(command.get_program(), "/w/target/suite-1");
        assert_eq!(command.get_current_dir(), Some(Path::new("/w/tests")));
        assert!(programs.command("core", "core").is_err());
    }
}
