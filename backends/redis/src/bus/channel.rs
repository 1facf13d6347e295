//! The connection that listens: opened, kept, and opened again when it was lost.

use std::{collections::VecDeque, time::Duration};

use larder_core::backend::{Notice, SILENCE};
use larder_net::{Backoff, Dialer, Failure, Server as _, Stream, Told};
use redis::Cmd;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout_at},
};

use super::{
    Serving, Shared,
    ears::Asked,
    reader::{Heard, Reader},
};

/// Between two signs of life. More than two have to be late before the channel counts as silent.
const BEAT: Duration = Duration::from_millis(100);
const _: () = assert!(BEAT.as_millis() * 4 <= SILENCE.as_millis());
/// How many signs of life may be on their way.
const MOST_BEATS: usize = 8;
/// How long a server is left alone that does not tell.
const REFUSED: Duration = Duration::from_secs(30);
/// Nothing is said on it. Who has subscribed to something is under the server's limit for the output of such clients, so that one
/// that is stopped is cut off and does not grow the server.
const QUIET: &str = "larder!quiet";

/// How a channel ended.
enum End {
    /// The store was closed, or nobody listens.
    Over,
    /// The credentials are about to end.
    Renew,
    Lost(Failure),
    /// The server does not tell.
    Refused(String),
}

/// What a reply is to.
enum Expected {
    Protocol,
    Tracking(Asked),
    Quiet,
    Alive(Instant),
}

/// Keeps the channel as long as somebody listens.
pub(super) async fn run(serving: Serving) {
    let shared = &*serving.0;
    let told = Told::new(&format!("{} (tracking)", shared.server.name), &shared.pace);
    told.beside(keep(shared, &told)).await;
}

async fn keep(shared: &Shared, told: &Told) {
    let (mut dialer, mut backoff) = (Dialer::default(), Backoff::default());
    loop {
        let begun = Instant::now();
        let end = match open(shared, &mut dialer).await {
            Ok((stream, valid_for)) => {
                told.connected();
                let mut channel = Channel::new(shared, stream);
                channel.serve(valid_for).await
            }
            Err(failure) => End::Lost(failure),
        };
        let pause = match end {
            End::Over => return,
            End::Renew => Duration::ZERO,
            End::Lost(failure) => {
                backoff.lasted(begun.elapsed());
                told.failed(&failure);
                // Together with the connections that calls go over there are no more attempts than without it.
                shared.pace.attempt(backoff.next(failure.kind()))
            }
            End::Refused(why) => {
                shared.refuse(Some(why));
                REFUSED
            }
        };
        let until = Instant::now() + pause;
        while !shared.is_closed() && Instant::now() < until {
            tokio::select! {
                () = sleep(until.saturating_duration_since(Instant::now())) => {}
                () = shared.news.notified() => {}
            }
        }
        if shared.is_closed() || shared.ears.is_empty() {
            return;
        }
    }
}

async fn open(shared: &Shared, dialer: &mut Dialer) -> Result<(Stream, Option<Duration>), Failure> {
    let server = &*shared.server;
    let deadline = Instant::now() + server.limits.connect_timeout;
    let opened = async {
        let mut stream = dialer.open(server.endpoint(), deadline).await?;
        let session = timeout_at(deadline, server.greet(&mut stream)).await.map_err(|_| {
            Failure::unavailable(
                "the server accepted the connection and did not answer within `connect_timeout`",
            )
        })??;
        Ok((stream, session.valid_for))
    };
    opened.await.map_err(|failure: Failure| failure.at(&server.name))
}

struct Channel<'a> {
    shared: &'a Shared,
    stream: Stream,
    reader: Reader,
    expected: VecDeque<Expected>,
}

impl<'a> Channel<'a> {
    fn new(shared: &'a Shared, stream: Stream) -> Self {
        Self { shared, stream, reader: Reader::default(), expected: VecDeque::new() }
    }

    async fn serve(&mut self, valid_for: Option<Duration>) -> End {
        match self.listen(valid_for).await {
            Ok(end) | Err(end) => end,
        }
    }

    async fn listen(&mut self, valid_for: Option<Duration>) -> Result<End, End> {
        let shared = self.shared;
        shared.ears.renew();
        self.say(redis::cmd("HELLO").arg(3), Expected::Protocol).await?;
        self.ask().await?;
        self.say(redis::cmd("SUBSCRIBE").arg(QUIET), Expected::Quiet).await?;
        let ends = valid_for.map(|valid_for| Instant::now() + valid_for / 5 * 4);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shared.news.notified() => {
                    if shared.is_closed() {
                        return Ok(End::Over);
                    }
                    self.ask().await?;
                }
                now = beat.tick() => {
                    if shared.is_closed() || shared.ears.is_empty() {
                        return Ok(End::Over);
                    }
                    if ends.is_some_and(|ends| ends <= now) {
                        return Ok(End::Renew);
                    }
                    self.beat().await?;
                }
                read = self.stream.read_buf(&mut self.reader.buffer) => match read {
                    Ok(0) => return Err(lost("the server closed the connection")),
                    Ok(_) => self.hear()?,
                    Err(why) => return Err(lost(&format!("the connection was lost: {why}"))),
                },
            }
        }
    }

    /// Asks the server to tell of those who are new.
    async fn ask(&mut self) -> Result<(), End> {
        let Some(asked) = self.shared.ears.ask() else { return Ok(()) };
        if asked.prefixes.is_empty() {
            // Others listen to the same; the server may not have agreed to that yet, and this stands behind it.
            return self.say(&redis::cmd("PING"), Expected::Tracking(asked)).await;
        }
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST");
        for prefix in &asked.prefixes {
            command.arg("PREFIX").arg(prefix);
        }
        self.say(&command, Expected::Tracking(asked)).await
    }

    async fn beat(&mut self) -> Result<(), End> {
        let sent =
            |expected: &Expected| if let Expected::Alive(sent) = expected { Some(*sent) } else { None };
        let limit = self.shared.server.limits.response_timeout;
        if self.expected.iter().find_map(sent).is_some_and(|sent| sent.elapsed() > limit) {
            return Err(lost(&format!("no answer within {limit:?} (`response_timeout`)")));
        }
        if self.expected.len() >= MOST_BEATS {
            return Ok(());
        }
        // It stands behind everything that was told before: what a process that was stopped now reads is older.
        self.say(&redis::cmd("PING"), Expected::Alive(Instant::now())).await
    }

    async fn say(&mut self, command: &Cmd, expected: Expected) -> Result<(), End> {
        let limit = Instant::now() + self.shared.server.limits.response_timeout;
        let words = command.get_packed_command();
        let said = async {
            self.stream.write_all(&words).await?;
            self.stream.flush().await
        };
        match timeout_at(limit, said).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(lost(&format!("the connection was lost: {why}"))),
            Err(_) => return Err(lost("the server takes no more commands")),
        }
        self.expected.push_back(expected);
        Ok(())
    }

    fn hear(&mut self) -> Result<(), End> {
        let ears = &self.shared.ears;
        while let Some(heard) = self.reader.next().map_err(End::Lost)? {
            match heard {
                Heard::Changed(text) => ears.changed(&text),
                Heard::Everything => ears.tell(Notice::Gap),
                Heard::Subscribed => {
                    if matches!(self.expected.front(), Some(Expected::Quiet)) {
                        self.expected.pop_front();
                    }
                }
                Heard::Reply(reply) => match (self.expected.pop_front(), reply) {
                    (Some(Expected::Tracking(asked)), Ok(())) => {
                        self.shared.refuse(None);
                        ears.agreed(asked);
                    }
                    (Some(Expected::Alive(sent)), Ok(())) => ears.tell(Notice::Alive(sent)),
                    // Without the right to subscribe it goes without that.
                    (Some(Expected::Protocol), Ok(())) | (Some(Expected::Quiet), _) => {}
                    (Some(Expected::Protocol | Expected::Tracking(_) | Expected::Alive(_)), Err(why)) => {
                        return Err(End::Refused(why));
                    }
                    (None, _) => return Err(lost("the server sent a reply that no request was waiting for")),
                },
            }
        }
        Ok(())
    }
}

fn lost(why: &str) -> End {
    End::Lost(Failure::unavailable(why))
}
