//! What may be said when the program is started.

use clap::{Parser, Subcommand};

#[cfg(feature = "prove")]
use crate::prove::{bench, conformance};
use crate::{
    exit::{Failure, Outcome},
    look::{Target, config, doctor, inspect, invalidate, key, ping},
    plan, replay, stats,
};

/// What a cache would bring, what is in one, and whether a store keeps its promises.
///
/// Exit codes: 0, done; 1, the answer is no (no such key, a check found something); 2, it could not be done (a store is down, a
/// configuration is wrong).
#[derive(Debug, Parser)]
#[command(name = "larder", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What a cache would bring, from an access log: hit ratios by TTL and size, time saved, memory needed.
    Plan(plan::Arguments),
    /// The requests of a log through a real store: what was predicted beside what happened.
    Replay(replay::Replay),
    /// What a configuration says, whether it is right, and how two differ.
    Config(config::Config),
    /// Shows the value of a key.
    Get(key::Get),
    /// Writes a value.
    Set(key::Set),
    /// Removes a key.
    Delete(Target),
    /// Makes a key stale: it is served while one caller loads it again.
    Expire(Target),
    /// Gives a key another TTL.
    Touch(key::Touch),
    /// How long a key is still fresh.
    Ttl(Target),
    /// Everything that is known about an entry: envelope, metadata, stamps, sizes, the value.
    Inspect(inspect::Inspect),
    /// Invalidates a tag, a key or a namespace.
    Invalidate(invalidate::Invalidate),
    /// Invalidates everything in a cache.
    Clear(invalidate::Clear),
    /// What a running program counts, from its metrics.
    Stats(stats::Stats),
    /// Whether each store answers, how fast, and what the configured user may do.
    Ping(ping::Ping),
    /// The published suite over a store, beside whoever else uses it.
    #[cfg(feature = "prove")]
    Conformance(conformance::Conformance),
    /// How fast a store answers, through a cache and straight.
    #[cfg(feature = "prove")]
    Bench(bench::Bench),
    /// Advice on a configuration and on the stores it names.
    Doctor(doctor::Doctor),
}

impl Arguments {
    /// Does what was said.
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match &self.command {
            Command::Plan(arguments) => plan::run(arguments),
            Command::Replay(arguments) => replay::run(arguments),
            Command::Config(arguments) => config::run(arguments),
            Command::Get(arguments) => key::get(arguments),
            Command::Set(arguments) => key::set(arguments),
            Command::Delete(target) => key::delete(target),
            Command::Expire(target) => key::expire(target),
            Command::Touch(arguments) => key::touch(arguments),
            Command::Ttl(target) => key::ttl(target),
            Command::Inspect(arguments) => inspect::run(arguments),
            Command::Invalidate(arguments) => invalidate::run(arguments),
            Command::Clear(arguments) => invalidate::clear(arguments),
            Command::Stats(arguments) => stats::run(arguments),
            Command::Ping(arguments) => ping::run(arguments),
            #[cfg(feature = "prove")]
            Command::Conformance(arguments) => conformance::run(arguments),
            #[cfg(feature = "prove")]
            Command::Bench(arguments) => bench::run(arguments),
            Command::Doctor(arguments) => doctor::run(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_arguments_of_a_command_contradict_each_other() {
        super::Arguments::command().debug_assert();
    }
}
