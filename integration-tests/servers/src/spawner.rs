//! The one thread that starts every server, and how a server is tied to the life of this process.
//!
//! The kernel sends the parent-death signal when the *thread* that started a child ends, not the process (`prctl(2)`,
//! `PR_SET_PDEATHSIG`). A test's thread ends with the test, while its server may still be in use elsewhere, so servers
//! are started by a thread that lives as long as the process does.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread;

use crate::program;

/// Between our `fork` and `setpriv`'s `prctl` this process may die unnoticed; the shell looks again, and only then turns
/// into the server. `$0` is the process id that the parent had.
const UNLESS_ORPHANED: &str = r#"test "$PPID" = "$0" && exec "$@""#;

struct Request {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

static SPAWNER: LazyLock<Sender<Request>> = LazyLock::new(|| {
    let (requests, inbox) = mpsc::channel::<Request>();
    thread::spawn(move || {
        for mut request in inbox {
            // Nobody waits for the answer only if the caller's thread was torn down; the kernel cleans up after it.
            let _ = request.answer.send(request.command.spawn());
        }
    });
    requests
});

/// Starts the command from the long-lived thread.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, inbox) = mpsc::sync_channel(1);
    SPAWNER.send(Request { command, answer }).map_err(io::Error::other)?;
    inbox.recv().map_err(io::Error::other)?
}

/// A command that runs the program and, where `setpriv` is there, dies with this process.
pub(crate) fn tied_to_this_process(program: &Path) -> Command {
    let Some(setpriv) = program::find(Path::new("setpriv")) else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--", "sh", "-c", UNLESS_ORPHANED]);
    command.arg(std::process::id().to_string()).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn arguments_arrive_as_they_were_given() {
        let mut command = tied_to_this_process(Path::new("/bin/echo"));
        command.args(["two words", "", "$HOME", "it's"]).stdout(Stdio::piped());
        let output = spawn(command).unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "two words  $HOME it's\n");
    }
}
