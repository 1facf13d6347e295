//! The first words on a connection: who we are, and which database we mean.
//!
//! redis-rs can do this, too, but calls every refusal of `AUTH` a wrong password, a server's that is full
//! included, and hides that a password is asked for until the first command.

use larder_core::{Error, ErrorKind, Result, error::Operation};
use redis::Cmd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{config::Settings, error, stream::Io, stream::unavailable};

/// The three replies are lines of some hundred bytes.
const MAX_REPLIES: usize = 4096;

/// What is asked, in the order in which the replies come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    LogIn,
    Select,
    Name,
}

/// Logs in, selects the database, and gives the connection a name for `CLIENT LIST`.
pub(crate) async fn greet(stream: &mut dyn Io, settings: &Settings) -> Result<()> {
    let mut steps = Vec::with_capacity(3);
    let mut words = Vec::new();
    if let Some(password) = &settings.password {
        let source = password.clone();
        let password = tokio::task::spawn_blocking(move || source.read())
            .await
            .map_err(|_| unavailable("the password could not be read"))??;
        let mut command = redis::cmd("AUTH");
        command.arg(settings.username.as_deref()).arg(password.expose());
        say(&mut steps, &mut words, Step::LogIn, &command);
    }
    if settings.database != 0 {
        say(&mut steps, &mut words, Step::Select, redis::cmd("SELECT").arg(settings.database));
    }
    say(&mut steps, &mut words, Step::Name, redis::cmd("CLIENT").arg("SETNAME").arg("larder"));

    // A server that takes no more clients says so at once and hangs up, which can make this fail.
    let sent = async {
        stream.write_all(&words).await?;
        stream.flush().await
    }
    .await;
    let mut heard = Vec::new();
    for step in steps {
        match line(stream, &mut heard).await {
            Ok(line) => check(step, &line, settings)?,
            Err(why) => return Err(sent.err().map_or(why, hung_up)),
        }
    }
    // Whatever is left would be taken for the first reply.
    if heard.is_empty() { Ok(()) } else { Err(not_redis()) }
}

fn say(steps: &mut Vec<Step>, words: &mut Vec<u8>, step: Step, command: &Cmd) {
    steps.push(step);
    command.write_packed_command(words);
}

/// Takes one line off what was heard, hearing more if need be.
async fn line(stream: &mut dyn Io, heard: &mut Vec<u8>) -> Result<String> {
    loop {
        if let Some(end) = heard.windows(2).position(|two| two == b"\r\n") {
            let line: Vec<u8> = heard.drain(..end + 2).take(end).collect();
            return String::from_utf8(line).map_err(|_| not_redis());
        }
        if heard.len() > MAX_REPLIES {
            return Err(not_redis());
        }
        match stream.read_buf(heard).await {
            Ok(0) => return Err(unavailable("the server hung up without a word")),
            Ok(_) => {}
            Err(why) => return Err(hung_up(why)),
        }
    }
}

fn check(step: Step, line: &str, settings: &Settings) -> Result<()> {
    let refusal = match line.split_at_checked(1) {
        Some(("+", _)) => return Ok(()),
        Some(("-", refusal)) => refusal,
        _ => return Err(not_redis()),
    };
    let error = error::refusal_in_line(Operation::Connect, refusal);
    match step {
        Step::LogIn if refusal.contains("without any password configured") => {
            refused(ErrorKind::Auth, "the server has no password; remove `password`".into())
        }
        Step::LogIn if refusal.contains("wrong number of arguments") => refused(
            ErrorKind::Auth,
            "the server is older than Redis 6 and knows no user names; remove `username`".into(),
        ),
        Step::Select if error.kind() == ErrorKind::Other => refused(
            ErrorKind::Config,
            format!("the server has no database {}; lower `database`", settings.database),
        ),
        Step::LogIn | Step::Select => Err(error),
        // It is only a name; but here is heard that a password is asked for, or that the server is full.
        Step::Name if refusal.starts_with("NOPERM") => Ok(()),
        Step::Name if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Busy) => Err(error),
        Step::Name => Ok(()),
    }
}

fn refused(kind: ErrorKind, message: String) -> Result<()> {
    Err(Error::new(kind, Operation::Connect, message))
}

fn not_redis() -> Error {
    Error::new(ErrorKind::Protocol, Operation::Connect, "what answers there is no Redis server")
}

fn hung_up(why: std::io::Error) -> Error {
    unavailable("the server hung up").with_source(why)
}
