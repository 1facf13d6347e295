//! Where the figures come from: processor, kernel, compiler, servers.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine, as far as it matters to the figures.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's model.
    pub(crate) cpu: String,
    /// How many of its cores this process may use.
    pub(crate) cores: usize,
    /// Gibibytes of memory.
    pub(crate) memory_gib: u64,
    /// The kernel's name and release.
    pub(crate) kernel: String,
    /// The compiler.
    pub(crate) rustc: String,
    /// Versions of the servers; empty where one is not installed.
    pub(crate) redis: String,
    /// As above.
    pub(crate) memcached: String,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let field = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let kibibytes = field("/proc/meminfo", "MemTotal");
        let kibibytes = kibibytes.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        let redis = first_line("redis-server", &["--version"]);
        let redis = redis.split_whitespace().find_map(|word| word.strip_prefix("v="));
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kibibytes.unwrap_or(0).div_ceil(1 << 20),
            kernel: first_line("uname", &["-sr"]),
            rustc: first_line("rustc", &["--version"]),
            redis: redis.unwrap_or_default().to_owned(),
            memcached: first_line("memcached", &["--version"]).replace("memcached ", ""),
        }
    }
}

/// The date and time, in UTC, and the commit of the tree, with a `+` where it has changes.
pub(crate) fn now_and_commit() -> (String, String) {
    let date = first_line("date", &["-u", "+%Y-%m-%d %H:%M"]);
    let mut commit = first_line("git", &["rev-parse", "--short", "HEAD"]);
    // The results themselves are no change of what was measured.
    let changes = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":(top,exclude)bench/results",
        ":(top,exclude)docs/performance*",
        ":/",
    ];
    if !first_line("git", &changes).is_empty() {
        commit.push('+');
    }
    (date, commit)
}

/// The first line that the program prints; nothing where it cannot be run.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
