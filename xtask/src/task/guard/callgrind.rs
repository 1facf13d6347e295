//! One scenario under callgrind.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::costs::Costs;
use super::distant::DistantRedis;
use super::profile::{Instructions, clock_reads};
use super::program::{Program, Scenario};
use crate::Outcome;

/// What is needed to run it.
pub(super) struct Callgrind<'a> {
    program: &'a Program,
    redis: &'a DistantRedis,
    scratch: &'a Path,
    profiles: &'a Path,
}

/// What the program prints of a round.
struct Round {
    calls: u64,
    costs: Costs,
}

impl<'a> Callgrind<'a> {
    /// Counts in `scratch`, and leaves a profile for each scenario in `profiles`.
    pub(super) fn new(
        program: &'a Program,
        redis: &'a DistantRedis,
        scratch: &'a Path,
        profiles: &'a Path,
    ) -> Self {
        Self { program, redis, scratch, profiles }
    }

    /// What one call of the scenario costs.
    pub(super) fn count(&self, scenario: &Scenario) -> Outcome<Costs> {
        let directory = self.scratch.join(&scenario.name);
        fs::create_dir(&directory)?;
        let costs = self.count_in(&directory, scenario);
        fs::remove_dir_all(&directory)?;
        costs
    }

    fn count_in(&self, directory: &Path, scenario: &Scenario) -> Outcome<Costs> {
        let (profile, log) = (directory.join("profile"), directory.join("log"));
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--trace-syscalls=yes", "--separate-threads=yes"]);
        command.args(["--dump-before=*larder_guard_begin*", "--dump-before=*larder_guard_end*"]);
        command.arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(format!("--log-file={}", log.display()));
        command.arg(self.program.path()).arg(&scenario.name);
        if scenario.needs_redis {
            command.arg(self.redis.url());
        }
        let printed = self.output(command).map_err(|error| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let said: Vec<_> = log.lines().filter(|line| line.starts_with("==")).collect();
            format!("{}: {error}\n{}", scenario.name, said.join("\n"))
        })?;

        let mut rounds = rounds(&printed)?;
        let reads = clock_reads(&fs::read_to_string(&log)?);
        if rounds.len() != reads.len() {
            return Err(format!(
                "{} rounds, and clock reads of {}: has Valgrind another way to write system calls?",
                rounds.len(),
                reads.len()
            )
            .into());
        }
        for (index, (round, reads)) in rounds.iter_mut().zip(reads).enumerate() {
            // Every other part is a round; the last that is written is one of the long ones.
            let part = directory.join(format!("profile.{}-01", 2 * index + 2));
            let counted = Instructions::of(&fs::read_to_string(&part)?, "/cost-guard");
            if counted.program == 0 {
                return Err(format!("callgrind has counted nothing of {}", scenario.name).into());
            }
            round.costs.instructions = float(counted.program);
            round.costs.library_instructions = float(counted.libraries);
            round.costs.clock_reads = float(reads);
            fs::copy(part, self.profiles.join(format!("{}.callgrind", scenario.name)))?;
        }
        cost_of_a_call(&rounds)
    }

    /// What the command prints. It is the server's client while it runs.
    fn output(&self, mut command: Command) -> Outcome<String> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        self.redis.is_for(child.id());
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("valgrind ended with {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn rounds(printed: &str) -> Outcome<Vec<Round>> {
    let round = |line: &str| {
        let mut numbers = line.strip_prefix("round ")?.split(' ').map(str::parse);
        let (calls, allocations, bytes) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        let costs = Costs {
            allocations: float(allocations),
            bytes: float(bytes),
            clock_reads: 0.0,
            instructions: 0.0,
            library_instructions: 0.0,
        };
        Some(Round { calls, costs })
    };
    let lines = printed.lines().filter(|line| *line != "ready");
    lines.map(|line| round(line).ok_or_else(|| format!("the program prints `{line}`").into())).collect()
}

/// The first round warms up; the others are of two kinds.
fn cost_of_a_call(rounds: &[Round]) -> Outcome<Costs> {
    let counted = rounds.get(1..).unwrap_or_default();
    let lengths = counted.iter().map(|round| round.calls);
    let (Some(short), Some(long)) = (lengths.clone().min(), lengths.max()) else {
        return Err("the program runs no rounds".into());
    };
    let median = |calls| {
        let kind = counted.iter().filter(|round| round.calls == calls);
        Costs::median(&kind.map(|round| round.costs).collect::<Vec<_>>())
    };
    match (median(short), median(long)) {
        (Some(less), Some(more)) if short < long => Ok(more.beyond(less, float(long - short))),
        _ => Err("the program's rounds are all of one length".into()),
    }
}

/// Counts are far below the 2^53 up to which this is exact.
#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_is_not_counted() {
        let printed = "ready\nround 400 9999 9999\nready\nround 200 210 420\nready\nround 600 610 1220\n";
        let costs = cost_of_a_call(&rounds(printed).unwrap()).unwrap();
        assert!((costs.allocations - 1.0).abs() < 1e-9, "{costs:?}");
        assert!((costs.bytes - 2.0).abs() < 1e-9, "{costs:?}");
    }

    #[test]
    fn what_the_program_should_not_print_is_an_error() {
        assert!(rounds("round 400 9999\n").is_err());
        assert!(rounds("something else\n").is_err());
        assert!(cost_of_a_call(&rounds("round 1 1 1\n").unwrap()).is_err());
        assert!(cost_of_a_call(&rounds("round 1 1 1\nround 2 1 1\nround 2 1 1\n").unwrap()).is_err());
    }
}
