//! One running server process: its signals, and its end.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::spawner;

/// A stop takes effect within microseconds; this is for machines that are very busy.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A server process. Dropping it kills the process and waits for its end.
pub(crate) struct Process {
    child: Child,
    paused: bool,
}

impl Process {
    pub(crate) fn spawn(command: Command) -> io::Result<Self> {
        Ok(Self { child: spawner::spawn(command)?, paused: false })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it did.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Freezes the process, and returns when it is frozen: sending the signal alone lets it answer one more request.
    pub(crate) fn pause(&mut self) -> io::Result<()> {
        if self.paused {
            return Ok(());
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP)?;
        let begun = Instant::now();
        while waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG)?.is_none() {
            if begun.elapsed() > STOP_LIMIT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        self.paused = true;
        Ok(())
    }

    /// Lets a frozen process go on.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::CONT)?;
        self.paused = false;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended and been waited for, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.child.id())
    }
}
