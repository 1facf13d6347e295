//! The operator's tool of Larder: what a cache would bring, what is in one, and whether a store keeps its promises.

mod arguments;
mod exit;
mod files;
mod look;
mod manual;
mod open;
mod plan;
mod progress;
#[cfg(feature = "prove")]
mod prove;
mod replay;
mod screen;
mod stats;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{arguments::Arguments, exit::Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.run() {
        Ok(outcome) => outcome.into(),
        Err(why) => {
            screen::warn(&why.to_string());
            ExitCode::from(Failure::CODE)
        }
    }
}
