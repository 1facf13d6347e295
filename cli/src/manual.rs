//! `larder completions` and `larder man`: for shells, and for `man`. Made from what the program understands.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::{
    exit::{Failure, Outcome},
    files::write_whole,
    screen::{say, write_bytes},
};

/// What may be said to `larder completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// What may be said to `larder man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Writes a page for the program and one for each command into this folder: larder.1, larder-plan.1 and so on.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Writes what a shell reads to complete the arguments of this program.
pub(crate) fn completions(arguments: &Completions, mut program: Command) -> Result<Outcome, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "larder", &mut text);
    write_bytes(&text)?;
    Ok(Outcome::Done)
}

/// Writes the manual of this program.
pub(crate) fn man(arguments: &Man, mut program: Command) -> Result<Outcome, Failure> {
    let render = |name: &str, command: Command| -> Result<Vec<u8>, Failure> {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .title(name)
            .render(&mut page)
            .map_err(|error| Failure::new(format!("the manual could not be made: {error}")))?;
        Ok(page)
    };
    program.build();
    let Some(folder) = &arguments.into else {
        write_bytes(&render("larder", program)?)?;
        return Ok(Outcome::Done);
    };
    let mut pages = vec![("larder".to_owned(), program.clone())];
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("larder-{}", command.get_name());
        pages.push((name, command.clone()));
    }
    for (name, command) in pages {
        write_whole(&folder.join(format!("{name}.1")), &render(&name, command)?)?;
    }
    say(&format!("the manual is in {}", folder.display()));
    Ok(Outcome::Done)
}
