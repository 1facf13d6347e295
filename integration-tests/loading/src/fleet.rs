//! The processes of one run: this program, started again as its own workers. However the run ends, they end with it.

use std::{
    env, io,
    io::Read as _,
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio, exit},
    thread,
    time::{Duration, Instant},
};

use crate::Outcome;

const WORKER: &str = "LARDER_TRIALS_WORKER";
const DATABASE: &str = "LARDER_TRIALS_DATABASE";
const SERVER: &str = "LARDER_TRIALS_SERVER";

/// How long a worker that has told its result may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a worker is told by who started it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Which of the workers it is, from 0.
    pub(crate) index: u64,
    /// Where the run's database answers.
    pub(crate) database: SocketAddr,
    /// Where the cache's server is.
    pub(crate) server: String,
}

impl Place {
    /// This process's place, if it is a worker. A worker ends when the process that started it does.
    pub(crate) fn of_this_process() -> Outcome<Option<Self>> {
        let Ok(index) = env::var(WORKER) else { return Ok(None) };
        let place =
            Self { index: index.parse()?, database: env::var(DATABASE)?.parse()?, server: env::var(SERVER)? };
        // The other end is the parent's, which never writes: reading ends when the parent has ended.
        thread::spawn(|| {
            let _ = io::stdin().read(&mut [0]);
            exit(1)
        });
        Ok(Some(place))
    }
}

/// Workers. Dropping it kills those that are left, and waits for their end.
#[derive(Debug)]
pub(crate) struct Fleet {
    workers: Vec<Child>,
}

impl Fleet {
    /// Starts so many workers with the arguments of this process.
    pub(crate) fn start(count: u64, database: SocketAddr, server: &str) -> Outcome<Self> {
        let mut fleet = Self { workers: Vec::new() };
        for index in 0..count {
            let mut command = Command::new(env::current_exe()?);
            command.args(env::args_os().skip(1)).stdin(Stdio::piped());
            command.env(WORKER, index.to_string()).env(DATABASE, database.to_string()).env(SERVER, server);
            // Where the servers work, too: who looks there for processes that were left behind finds these as well.
            command.current_dir(env::temp_dir());
            fleet.workers.push(command.spawn()?);
        }
        Ok(fleet)
    }

    /// The process ids of the workers.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.workers.iter().map(Child::id).collect()
    }

    /// Kills the worker with this process id.
    pub(crate) fn kill(&mut self, id: u64) -> Outcome {
        let found = self.workers.extract_if(.., |worker| u64::from(worker.id()) == id);
        // Which kills it and waits for its end.
        let killed = Self { workers: found.collect() };
        if killed.workers.is_empty() { Err("the leader is none of the workers".into()) } else { Ok(()) }
    }

    /// Fails if a worker has failed.
    pub(crate) fn check(&mut self) -> Outcome {
        for worker in &mut self.workers {
            if let Some(status) = worker.try_wait()?
                && !status.success()
            {
                return Err(ended(worker.id(), status));
            }
        }
        Ok(())
    }

    /// Waits until all have ended, and fails if one of them does or takes too long.
    pub(crate) fn join(mut self) -> Outcome {
        let begun = Instant::now();
        while let Some(worker) = self.workers.last_mut() {
            match worker.try_wait()? {
                Some(status) if status.success() => drop(self.workers.pop()),
                Some(status) => return Err(ended(worker.id(), status)),
                None if begun.elapsed() > PATIENCE => return Err("a worker does not end".into()),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
        Ok(())
    }
}

fn ended(id: u32, status: ExitStatus) -> Box<dyn std::error::Error + Send + Sync> {
    format!("the worker with process id {id} has ended early ({status})").into()
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // Both fail only if the process has ended and been waited for, which is what is wanted.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}
