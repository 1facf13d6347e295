//! What may be said when the program is started.

use clap::{CommandFactory as _, Parser, Subcommand};

#[cfg(feature = "prove")]
use crate::prove::{bench, conformance, faults};
use crate::{
    exit::{Failure, Outcome},
    look::{Target, carry, config, dictionary, doctor, inspect, invalidate, key, ping, scan},
    manual, plan, replay, stats,
};

/// What a cache would bring, what is in one, and whether a store keeps its promises.
///
/// Exit codes: 0, done; 1, the answer is no (no such key, a check found something); 2, it could not be done (a store is down, a
/// configuration is wrong).
#[derive(Debug, Parser)]
#[command(name = "larder", version)]
pub(crate) struct Arguments {
    /// Writes what a program can read: one JSON document. Errors stay text, on standard error.
    #[arg(long, global = true)]
    json: bool,
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
    /// The keys of a cache, where its store can list them.
    Scan(scan::Scan),
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
    /// What a program notices when a store fails: made by a layer in this program, not on the server.
    #[cfg(feature = "prove")]
    Faults(faults::Faults),
    /// Advice on a configuration and on the stores it names.
    Doctor(doctor::Doctor),
    /// A trained dictionary for zstd, and what it gains.
    Dictionary(dictionary::Dictionary),
    /// The usable entries of a cache into a file.
    Snapshot(carry::Snapshot),
    /// Entries from a file into a cache, where it has none.
    Warm(carry::Warm),
    /// The usable entries of a cache into another one.
    Migrate(carry::Migrate),
    /// What a shell reads to complete arguments.
    Completions(manual::Completions),
    /// The manual, for man.
    Man(manual::Man),
}

impl Arguments {
    /// Does what was said.
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let json = self.json;
        match &self.command {
            Command::Plan(arguments) => plan::run(arguments, json),
            Command::Replay(arguments) => replay::run(arguments, json),
            Command::Config(arguments) => config::run(arguments, json),
            Command::Get(arguments) => key::get(arguments, json),
            Command::Set(arguments) => key::set(arguments, json),
            Command::Delete(target) => key::delete(target, json),
            Command::Expire(target) => key::expire(target, json),
            Command::Touch(arguments) => key::touch(arguments, json),
            Command::Ttl(target) => key::ttl(target, json),
            Command::Inspect(arguments) => inspect::run(arguments, json),
            Command::Scan(arguments) => scan::run(arguments, json),
            Command::Invalidate(arguments) => invalidate::run(arguments, json),
            Command::Clear(arguments) => invalidate::clear(arguments, json),
            Command::Stats(arguments) => stats::run(arguments, json),
            Command::Ping(arguments) => ping::run(arguments, json),
            #[cfg(feature = "prove")]
            Command::Conformance(arguments) => conformance::run(arguments, json),
            #[cfg(feature = "prove")]
            Command::Bench(arguments) => bench::run(arguments, json),
            #[cfg(feature = "prove")]
            Command::Faults(arguments) => faults::run(arguments, json),
            Command::Doctor(arguments) => doctor::run(arguments, json),
            Command::Dictionary(arguments) => dictionary::run(arguments, json),
            Command::Snapshot(arguments) => carry::snapshot(arguments, json),
            Command::Warm(arguments) => carry::warm(arguments, json),
            Command::Migrate(arguments) => carry::migrate(arguments, json),
            Command::Completions(arguments) => manual::completions(arguments, Arguments::command()),
            Command::Man(arguments) => manual::man(arguments, Arguments::command()),
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
