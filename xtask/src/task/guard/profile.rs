//! What callgrind and Valgrind write, as far as it is needed: a profile's instructions by library, and the system calls
//! of a run by round.

/// Instructions in a profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Instructions {
    /// Of the program itself.
    pub(super) program: u64,
    /// Of all libraries.
    pub(super) libraries: u64,
}

impl Instructions {
    /// Reads a profile (format version 1, one event, positions by line).
    ///
    /// A line of costs belongs to the object (`ob=`) last named. The line after `calls=` repeats what the callee has
    /// cost, which is counted where the callee stands.
    pub(super) fn of(profile: &str, program: &str) -> Self {
        let mut instructions = Self::default();
        // The number that stands for the program after its name has been written once.
        let mut own = None;
        let mut is_own = false;
        let mut lines = profile.lines();
        while let Some(line) = lines.next() {
            if let Some((kind, object)) = object(line) {
                let (id, name) = object.split_once(' ').unwrap_or((object, ""));
                if name.ends_with(program) {
                    own = Some(id);
                }
                if kind == "ob" {
                    is_own = own == Some(id);
                }
            } else if line.starts_with("calls=") {
                lines.next();
            } else if let Some(cost) = cost(line) {
                *(if is_own { &mut instructions.program } else { &mut instructions.libraries }) += cost;
            }
        }
        instructions
    }
}

/// `ob=(3) /usr/lib/libc.so.6` of a function and `cob=(3)` of one that it calls.
fn object(line: &str) -> Option<(&str, &str)> {
    line.split_once('=').filter(|(kind, _)| ["ob", "cob"].contains(kind))
}

/// `264 15200`, `+6 200`, `* 7`: a position and a cost.
fn cost(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    let is_position = position.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first));
    if is_position { cost.parse().ok() } else { None }
}

/// How often the first thread has read a clock in each round. Rounds lie between the lines that the program writes:
/// one before, one after.
///
/// Under Valgrind there is no vDSO, so every reading is a system call, whoever asks.
pub(super) fn clock_reads(system_calls: &str) -> Vec<u64> {
    let mut rounds = Vec::new();
    let mut open = None;
    for line in system_calls.lines() {
        let Some((_, call)) = line.split_once(",1](") else { continue };
        if call.contains(" sys_write ( 1, ") {
            match open.take() {
                None => open = Some(0),
                Some(reads) => rounds.push(reads),
            }
        } else if is_clock(call) {
            open = open.map(|reads: u64| reads + 1);
        }
    }
    rounds
}

fn is_clock(call: &str) -> bool {
    [" sys_clock_gettime(", " sys_gettimeofday ", " sys_time "].iter().any(|clock| call.contains(clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_divided_by_library() {
        let profile = "\
version: 1
events: Ir
summary: 27

ob=(3) /usr/lib/x86_64-linux-gnu/libc.so.6
fl=(203) memmove.S
fn=(1018) memcpy
264 10
+6 5

ob=(1) /target/guard/cost-guard
fl=(4) main.rs
fn=(7) main
12 2
fi=(5) inlined.rs
* 3
cob=(3)
cfn=(1018)
calls=10 0
+2 15

fn=(9) other
cob=(3)
cfn=(1018)
calls=1 0
-1 99
-3 4
ob=(3)
fn=(1020) free
16 1

ob=(1)
fn=(7)
12 2

totals: 27
";
        assert_eq!(Instructions::of(profile, "/cost-guard"), Instructions { program: 11, libraries: 16 });
    }

    #[test]
    fn a_program_that_is_first_named_as_a_callee_is_known() {
        let profile = "ob=(3) libc\n1 1\ncob=(1) /t/cost-guard\ncalls=1 0\n1 7\nob=(1)\n5 7\n";
        assert_eq!(Instructions::of(profile, "/cost-guard"), Instructions { program: 7, libraries: 1 });
    }

    #[test]
    fn clocks_are_counted_between_the_marks_and_in_the_first_thread() {
        let log = "\
SYSCALL[9,1](228) sys_clock_gettime( 1, 0x1 )[sync] --> Success(0x0)
SYSCALL[9,1](1) sys_write ( 1, 0x14a56b, 6 ) --> [async] ...
SYSCALL[9,1](1) ... [async] --> Success(0x6)
SYSCALL[9,1](228) sys_clock_gettime( 5, 0x1 )[sync] --> Success(0x0)
SYSCALL[9,2](228) sys_clock_gettime( 1, 0x1 )[sync] --> Success(0x0)
SYSCALL[9,1](96) sys_gettimeofday ( 0x1, 0x0 )[sync] --> Success(0x0)
SYSCALL[9,1](1) sys_write ( 5, 0x1, 8 ) --> [async] ...
SYSCALL[9,1](1) sys_write ( 1, 0x14a571, 6 ) --> [async] ...
SYSCALL[9,1](228) sys_clock_gettime( 5, 0x1 )[sync] --> Success(0x0)
SYSCALL[9,1](1) sys_write ( 1, 0x14a571, 6 ) --> [async] ...
SYSCALL[9,1](228) sys_clock_gettime( 5, 0x1 )[sync] --> Success(0x0)
SYSCALL[9,1](1) sys_write ( 1, 0x14a571, 6 ) --> [async] ...
";
        assert_eq!(clock_reads(log), [2, 1]);
    }
}
