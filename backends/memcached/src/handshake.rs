//! What is said when a connection has been opened: who we are, if the server asks, and what the server can do.

use bytes::BytesMut;
use larder_core::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    error::Failure,
    protocol::{decimal, error_line, shown},
    server::Server,
    stream::Stream,
};

/// The oldest version whose meta protocol is today's: `ms` with a length, `HD` in place of `OK`.
const OLDEST: [u64; 3] = [1, 6, 10];
/// Since this version misses give the opaque back.
const ECHOES_MISSES: [u64; 3] = [1, 6, 18];
/// What memcached takes unless it was started with `-I`.
const DEFAULT_ITEM_SIZE: u64 = 1024 * 1024;
/// What an item takes beyond its value: 59 bytes and the key in 1.6.18. The rest is for versions to come.
const ITEM_OVERHEAD: u64 = 512;
/// Longer than any line that answers one of our questions.
const MAX_LINE: usize = 2048;
/// More than all settings of a server together.
const MAX_ANSWER: usize = 64 * 1024;

/// A connection that is ready for requests.
pub(crate) struct Session {
    pub(crate) stream: Stream,
    /// The largest value that the server may send.
    pub(crate) max_value: u64,
    /// Whether misses give the opaque back.
    pub(crate) echoes_misses: bool,
}

/// Introduces itself and asks for the server's version and its largest item, which the server's figures then
/// hold.
pub(crate) async fn greet(stream: Stream, server: &Server) -> Result<Session, Failure> {
    let mut talk = Talk { stream, buffer: BytesMut::new() };
    // Credentials are only sent where they are asked for: a server that does not know them would store them as
    // the value of a key, for everybody to read.
    let mut version = talk.ask("version\r\n").await?;
    if version == "CLIENT_ERROR unauthenticated" {
        authenticate(&mut talk, server).await?;
        version = talk.ask("version\r\n").await?;
    }
    let Some(version) = version.strip_prefix("VERSION ") else {
        return Err(error_line(version.as_bytes()));
    };
    let version = parse_version(version);
    if version.is_some_and(|version| version < OLDEST) {
        let [major, minor, patch] = OLDEST;
        let message = format!(
            "the server is older than memcached {major}.{minor}.{patch}, the first with this protocol"
        );
        return Err(Failure::new(ErrorKind::Protocol, message));
    }
    let item_size = talk.item_size().await?;
    if !talk.buffer.is_empty() {
        return Err(Failure::new(ErrorKind::Protocol, "the server answers where nothing was asked"));
    }
    let configured = server.settings.max_value;
    server.learn(configured.or(item_size.map(|size| size.saturating_sub(ITEM_OVERHEAD))));
    let max_value = item_size.unwrap_or(DEFAULT_ITEM_SIZE).max(configured.unwrap_or(0));
    // What calls itself something else follows the protocol's text, one hopes.
    let echoes_misses = version.is_none_or(|version| version >= ECHOES_MISSES);
    Ok(Session { stream: talk.stream, max_value, echoes_misses })
}

/// The way of the text protocol (`doc/protocol.txt`, "Authentication"): a `set` of any key, whose value is user
/// and password.
async fn authenticate(talk: &mut Talk, server: &Server) -> Result<(), Failure> {
    let auth = |message: String| Failure::new(ErrorKind::Auth, message);
    let Some(credentials) = &server.settings.credentials else {
        return Err(auth("the server asks for `username` and `password`, and none are configured".into()));
    };
    let text = credentials.text().await.map_err(|why| auth(why.message().into()))?;
    let request = format!("set auth 0 0 {}\r\n{}\r\n", text.expose().len(), text.expose());
    match &*talk.ask(&request).await? {
        "STORED" => Ok(()),
        // In the server's words, which are constants of its source: none of them repeats what it got.
        refusal => {
            Err(auth(format!("the server refuses `username` and `password`: {}", shown(refusal.as_bytes()))))
        }
    }
}

/// Takes `1.6.18` out of what a server calls its version; `None` if it does not begin like that.
fn parse_version(text: &str) -> Option<[u64; 3]> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).take(3).map(|digits| decimal(digits.as_bytes()));
    numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// A conversation in lines, each answered before the next.
struct Talk {
    stream: Stream,
    buffer: BytesMut,
}

impl Talk {
    async fn ask(&mut self, request: &str) -> Result<String, Failure> {
        self.stream.write_all(request.as_bytes()).await.map_err(hung_up)?;
        self.stream.flush().await.map_err(hung_up)?;
        self.line(MAX_LINE).await
    }

    /// The size of the largest item, if the server says it. One that does not know the question is in order.
    async fn item_size(&mut self) -> Result<Option<u64>, Failure> {
        let mut item_size = None;
        let mut line = self.ask("stats settings\r\n").await?;
        let mut left = MAX_ANSWER;
        while let Some(setting) = line.strip_prefix("STAT ") {
            if let Some(size) = setting.strip_prefix("item_size_max ") {
                item_size = decimal(size.as_bytes());
            }
            left = left.saturating_sub(line.len() + 2);
            line = self.line(left).await?;
        }
        match &*line {
            "END" | "RESET" | "ERROR" => Ok(item_size),
            _ => Err(error_line(line.as_bytes())),
        }
    }

    /// The next line without its end.
    async fn line(&mut self, longest: usize) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.buffer.len() >= longest {
                return Err(Failure::new(ErrorKind::Protocol, "the server says more than can be right"));
            }
            self.buffer.reserve(4096);
            if self.stream.read_buf(&mut self.buffer).await.map_err(hung_up)? == 0 {
                return Err(Failure::unavailable("the server takes the connection and closes it"));
            }
        }
    }
}

fn hung_up(why: std::io::Error) -> Failure {
    Failure::unavailable(format!("the server takes the connection and hangs up: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_write_them() {
        for (text, version) in [
            ("1.6.18", Some([1, 6, 18])),
            ("1.6.45", Some([1, 6, 45])),
            ("1.6.0-beta1", Some([1, 6, 0])),
            ("1.6.21_4_gabc", Some([1, 6, 21])),
            ("df-v1.2.3", None),
            ("1.6", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
        assert!([1, 6, 9] < OLDEST && OLDEST < ECHOES_MISSES && [1, 10, 0] > ECHOES_MISSES);
    }
}
