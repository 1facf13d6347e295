//! What is said when a connection has been opened: who we are, if the server asks, and what the server can do.

use std::time::Duration;

use larder_core::ErrorKind;
use larder_net::{Failure, Session, Stream, Talk, decimal, shown};

use super::{MemcachedServer, is_user};
use crate::protocol::{Meta, error_line};

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

/// Introduces itself and asks for the server's version and its largest item, which the server's figures then
/// hold.
pub(crate) async fn greet(stream: &mut Stream, server: &MemcachedServer) -> Result<Session<Meta>, Failure> {
    let mut talk = Talk::new(stream);
    let mut valid_for = None;
    // Credentials are only sent where they are asked for: a server that does not know them would store them as
    // the value of a key, for everybody to read.
    let mut version = ask(&mut talk, b"version\r\n").await?;
    if version == "CLIENT_ERROR unauthenticated" {
        valid_for = authenticate(&mut talk, server).await?;
        version = ask(&mut talk, b"version\r\n").await?;
    }
    let Some(version) = version.strip_prefix("VERSION ") else {
        return Err(error_line(version.as_bytes()));
    };
    server.calls_itself(version);
    let version = parse_version(version);
    if version.is_some_and(|version| version < OLDEST) {
        let [major, minor, patch] = OLDEST;
        let message = format!(
            "the server is older than memcached {major}.{minor}.{patch}, the first with this protocol"
        );
        return Err(Failure::protocol(message));
    }
    let item_size = item_size(&mut talk).await?;
    talk.end()?;
    let configured = server.configured_max;
    server.learn(configured.or(item_size.map(|size| size.saturating_sub(ITEM_OVERHEAD))));
    let max_value = item_size.unwrap_or(DEFAULT_ITEM_SIZE).max(configured.unwrap_or(0));
    // A server with a name of its own is taken to follow the text of the protocol.
    let echoes_misses = version.is_none_or(|version| version >= ECHOES_MISSES);
    Ok(Session::new(Meta::new(max_value, echoes_misses)).valid_for(valid_for))
}

/// The way of the text protocol (`doc/protocol.txt`, "Authentication"): a `set` of any key, whose value is user
/// and password. Returns how long they are valid, if that is known.
async fn authenticate(talk: &mut Talk<'_>, server: &MemcachedServer) -> Result<Option<Duration>, Failure> {
    let auth = |message: String| Failure::new(ErrorKind::Auth, message);
    let Some(login) = &server.login else {
        return Err(auth("the server asks for `username` and `password`, and none are configured".into()));
    };
    let credentials = login.credentials().await?;
    let Some(username) = credentials.username.as_deref().filter(|username| is_user(username)) else {
        return Err(auth(
            "the server asks for a user name, and the provider of credentials returned none that can be sent: at least one character, no spaces".into(),
        ));
    };
    let password = credentials.password.expose();
    let length = username.len() + 1 + password.len();
    let request = format!("set auth 0 0 {length}\r\n{username} {password}\r\n");
    match &*ask(talk, request.as_bytes()).await? {
        "STORED" => Ok(credentials.valid_for),
        // In the server's words, which are constants of its source: none of them repeats what it received.
        refusal => {
            Err(auth(format!("the server refuses `username` and `password`: {}", shown(refusal.as_bytes()))))
        }
    }
}

/// The size of the largest item, if the server says it. One that does not know the question can be used as well.
async fn item_size(talk: &mut Talk<'_>) -> Result<Option<u64>, Failure> {
    let mut item_size = None;
    let mut line = ask(talk, b"stats settings\r\n").await?;
    let mut left = MAX_ANSWER;
    while let Some(setting) = line.strip_prefix("STAT ") {
        if let Some(size) = setting.strip_prefix("item_size_max ") {
            item_size = decimal(size.as_bytes());
        }
        left = left.saturating_sub(line.len() + 2);
        line = talk.line(left).await?;
    }
    match &*line {
        "END" | "RESET" | "ERROR" => Ok(item_size),
        _ => Err(error_line(line.as_bytes())),
    }
}

async fn ask(talk: &mut Talk<'_>, request: &[u8]) -> Result<String, Failure> {
    talk.say(request).await;
    talk.line(MAX_LINE).await
}

/// Takes `1.6.18` out of what a server calls its version; `None` if it does not begin like that.
fn parse_version(text: &str) -> Option<[u64; 3]> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).take(3).map(|digits| decimal(digits.as_bytes()));
    numbers.collect::<Option<Vec<_>>>()?.try_into().ok()
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
