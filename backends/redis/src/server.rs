//! The server as its connections know it, and the first words on each: who we are, and which database we mean.

use std::time::Duration;

use larder_core::{ErrorKind, error::Operation};
use larder_net::{Endpoint, Failure, Limits, Login, Server, Session, Stream, Talk};
use redis::Cmd;

use crate::{error, eviction::Noticed, resp::Resp};

/// The replies are lines of some hundred bytes.
const MAX_LINE: usize = 4096;
/// What `INFO memory` may have, in bytes; it has some two thousand.
const MAX_INFO: usize = 64 * 1024;

/// A server and what was configured about it.
#[derive(Debug)]
pub(crate) struct RedisServer {
    pub(crate) endpoint: Endpoint,
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) login: Option<Login>,
    pub(crate) database: u32,
    /// The longest value that it may send.
    pub(crate) max_reply: u64,
    pub(crate) noticed: Noticed,
}

/// What is asked, in the order in which the replies come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    LogIn,
    Select,
    Name,
    Memory,
}

impl Server for RedisServer {
    type Protocol = Resp;

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// Logs in, selects the database, gives the connection a name for `CLIENT LIST`, and asks what the server does when it is
    /// full.
    async fn greet(&self, stream: &mut Stream) -> Result<Session<Resp>, Failure> {
        let (mut steps, mut words, mut valid_for) = (Vec::with_capacity(4), Vec::new(), None);
        let mut add = |step, command: &Cmd| {
            steps.push(step);
            command.write_packed_command(&mut words);
        };
        if let Some(login) = &self.login {
            let credentials = login.credentials().await?;
            valid_for = credentials.valid_for;
            let mut command = redis::cmd("AUTH");
            command.arg(credentials.username.as_deref()).arg(credentials.password.expose());
            add(Step::LogIn, &command);
        }
        if self.database != 0 {
            add(Step::Select, redis::cmd("SELECT").arg(self.database));
        }
        add(Step::Name, redis::cmd("CLIENT").arg("SETNAME").arg("larder"));
        add(Step::Memory, redis::cmd("INFO").arg("memory"));
        let mut talk = Talk::new(stream);
        talk.say(&words).await;
        for step in steps {
            let line = talk.line(MAX_LINE).await?;
            match line.strip_prefix('$') {
                Some(len) if step == Step::Memory => {
                    self.noticed.note(&self.name, &bulk(&mut talk, len).await?);
                }
                _ => self.check(step, &line)?,
            }
        }
        talk.end().map_err(|_| not_redis())?;
        Ok(Session::new(Resp::new(self.max_reply)).valid_for(valid_for))
    }
}

impl RedisServer {
    fn check(&self, step: Step, line: &str) -> Result<(), Failure> {
        let refusal = match line.split_at_checked(1) {
            Some(("+", _)) if step != Step::Memory => return Ok(()),
            Some(("-", refusal)) => refusal,
            _ => return Err(not_redis()),
        };
        let failure = Failure::from_error(&error::refusal(Operation::Connect, refusal));
        match step {
            Step::LogIn if refusal.contains("without any password configured") => {
                Err(Failure::new(ErrorKind::Auth, "the server has no password; remove `password`"))
            }
            Step::LogIn if refusal.contains("wrong number of arguments") => Err(Failure::new(
                ErrorKind::Auth,
                "the server is older than Redis 6 and knows no user names; remove `username`",
            )),
            Step::Select if failure.kind() == ErrorKind::Other => Err(Failure::new(
                ErrorKind::Config,
                format!("the server has no database {}; lower `database`", self.database),
            )),
            Step::LogIn | Step::Select => Err(failure),
            // It is only a name; but here is heard that a password is asked for, or that the server is full.
            Step::Name if refusal.starts_with("NOPERM") => Ok(()),
            Step::Name if matches!(failure.kind(), ErrorKind::Auth | ErrorKind::Busy) => Err(failure),
            // It is only for advice; a user without the right goes without.
            Step::Name | Step::Memory => Ok(()),
        }
    }
}

/// The rest of a bulk string whose length was just read.
async fn bulk(talk: &mut Talk<'_>, len: &str) -> Result<String, Failure> {
    let len = len.parse::<usize>().ok().filter(|len| *len <= MAX_INFO).ok_or_else(not_redis)?;
    let bytes = talk.bytes(len + 2).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_redis() -> Failure {
    Failure::protocol("what answers at this address is not a Redis server")
}

/// A server that refuses writes for longer than this is looked for again, by its name: it may have been the primary before.
pub(crate) const STAYS_PRIMARY: Duration = Duration::from_secs(10);
