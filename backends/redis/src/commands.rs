//! The commands as they are sent. Values are written into them piece by piece and never joined before.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use larder_core::{
    Ttl,
    backend::{Condition, CounterOptions, SetOptions},
    entry::Token,
    envelope::Envelope,
    key::{COUNTER_SUFFIX, StoreKey},
};
use redis::{Cmd, RedisWrite as _};

use crate::scripts::{self, Lua};

/// The longest life that is told to the server, in milliseconds; a longer one is told as none. Redis adds it to
/// the time now, in 64 bits, and not every version checks that the sum fits.
const LONGEST_LIFE: u64 = i64::MAX as u64 / 2;
/// What a command takes beside its key and value, generously.
const WORDS: usize = 64;

/// `GET key`
pub(crate) fn get(key: &StoreKey<'_>) -> Cmd {
    with_keys("GET", std::slice::from_ref(key))
}

/// `MGET key …`
pub(crate) fn get_many(keys: &[StoreKey<'_>]) -> Cmd {
    with_keys("MGET", keys)
}

/// `UNLINK key`: as `DEL`, with the memory of large values freed by another thread of the server's.
pub(crate) fn delete(key: &StoreKey<'_>) -> Cmd {
    with_keys("UNLINK", std::slice::from_ref(key))
}

/// `SET key value [PX ms] [NX|XX]`. The condition must not be [`Condition::Unchanged`].
pub(crate) fn set(key: &StoreKey<'_>, envelope: &Envelope, options: &SetOptions) -> Cmd {
    let mut command = Cmd::with_capacity(6, WORDS + key.len() + envelope.len());
    command.arg("SET");
    push_key(&mut command, key);
    push_envelope(&mut command, envelope);
    if let Some(life) = millis(options.ttl) {
        command.arg("PX").arg(life);
    }
    match options.condition {
        Condition::Absent => drop(command.arg("NX")),
        Condition::Present => drop(command.arg("XX")),
        _ => {}
    }
    command
}

/// How a script is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// By its hash, to a server that knows it.
    Hash,
    /// As a whole, from which the server knows it.
    Whole,
}

/// Runs [`REPLACE`](scripts::REPLACE).
pub(crate) fn replace(name: Name, key: &StoreKey<'_>, envelope: &Envelope, ttl: Ttl, token: Token) -> Cmd {
    let mut command = run(name, &scripts::REPLACE, key, "", envelope.len());
    command.arg(hex(&token.0.to_le_bytes()));
    push_ttl(&mut command, ttl);
    push_envelope(&mut command, envelope);
    command
}

/// Runs [`REMOVE`](scripts::REMOVE).
pub(crate) fn remove(name: Name, key: &StoreKey<'_>, token: Token) -> Cmd {
    let mut command = run(name, &scripts::REMOVE, key, "", 0);
    command.arg(hex(&token.0.to_le_bytes()));
    command
}

/// Runs [`TOUCH`](scripts::TOUCH).
pub(crate) fn touch(
    name: Name,
    key: &StoreKey<'_>,
    lifetime: &[u8; 24],
    ttl: Ttl,
    token: Option<Token>,
) -> Cmd {
    let mut command = run(name, &scripts::TOUCH, key, "", 2 * lifetime.len());
    command.arg(token.map_or_else(String::new, |token| hex(&token.0.to_le_bytes())));
    push_ttl(&mut command, ttl);
    command.arg(hex(lifetime));
    command
}

/// Runs [`COUNT`](scripts::COUNT).
pub(crate) fn count(name: Name, key: &StoreKey<'_>, by: i64, options: &CounterOptions) -> Cmd {
    let mut command = run(name, &scripts::COUNT, key, COUNTER_SUFFIX, 0);
    command.arg(by);
    match options.initial {
        Some(initial) => command.arg(initial),
        None => command.arg(""),
    };
    if options.ttl.is_zero() {
        command.arg(0);
    } else {
        push_ttl(&mut command, options.ttl);
    }
    command
}

/// Room for the command's name, the script and up to three arguments.
fn run(name: Name, script: &Lua, key: &StoreKey<'_>, suffix: &str, len: usize) -> Cmd {
    let (name, script) = match name {
        Name::Hash => ("EVALSHA", &script.hash),
        Name::Whole => ("EVAL", &script.body),
    };
    let mut command = Cmd::with_capacity(7, 2 * WORDS + script.len() + key.len() + len);
    command.arg(name).arg(script).arg(1);
    push(&mut command, key_pieces(key, suffix));
    command
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn with_keys(name: &str, keys: &[StoreKey<'_>]) -> Cmd {
    let len: usize = keys.iter().map(StoreKey::len).sum();
    let mut command = Cmd::with_capacity(1 + keys.len(), name.len() + len);
    command.arg(name);
    for key in keys {
        push_key(&mut command, key);
    }
    command
}

fn push_key(command: &mut Cmd, key: &StoreKey<'_>) {
    push(command, key_pieces(key, ""));
}

fn key_pieces<'a>(key: &StoreKey<'a>, suffix: &'a str) -> [&'a [u8]; 4] {
    [key.namespace().text().as_bytes(), b":", key.key().text().as_bytes(), suffix.as_bytes()]
}

fn push_envelope(command: &mut Cmd, envelope: &Envelope) {
    push(command, [&envelope.header, &envelope.body]);
}

/// Adds one argument that is given in pieces.
fn push<const N: usize>(command: &mut Cmd, pieces: [&[u8]; N]) {
    let mut argument = command.writer_for_next_arg();
    for piece in pieces {
        // Writing to memory cannot fail.
        let _ = argument.write_all(piece);
    }
}

fn push_ttl(command: &mut Cmd, ttl: Ttl) {
    match millis(ttl) {
        Some(millis) => command.arg(millis),
        None => command.arg(""),
    };
}

/// The life in whole milliseconds, rounded up; `None` for ever.
fn millis(ttl: Ttl) -> Option<u64> {
    let Ttl::After(life) = ttl else { return None };
    let millis = life.as_nanos().div_ceil(Duration::from_millis(1).as_nanos()).max(1);
    u64::try_from(millis).ok().filter(|millis| *millis <= LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use larder_core::{Key, key::Namespace};

    use super::*;

    #[test]
    fn lives_are_rounded_up_and_saturate() {
        for (life, expected) in [
            (Duration::from_nanos(1), Some(1)),
            (Duration::from_micros(1001), Some(2)),
            (Duration::from_secs(31 * 24 * 3600), Some(31 * 24 * 3_600_000)),
            (Duration::from_millis(LONGEST_LIFE), Some(LONGEST_LIFE)),
            (Duration::from_millis(LONGEST_LIFE + 1), None),
            (Duration::MAX, None),
        ] {
            assert_eq!(millis(Ttl::After(life)), expected, "{life:?}");
        }
        assert_eq!(millis(Ttl::Never), None);
    }

    #[test]
    fn a_command_is_what_the_server_expects() {
        let (namespace, key) = (Namespace::new("n", 0).unwrap(), Key::new("k").part(1));
        let key = StoreKey::new(&namespace, &key);
        assert_eq!(get(&key).get_packed_command(), b"*2\r\n$3\r\nGET\r\n$6\r\nn:k:#1\r\n");

        let envelope = Envelope { header: "head".into(), body: "body".into() };
        let options = SetOptions::new(Duration::from_secs(1).into()).when(Condition::Absent);
        assert_eq!(
            set(&key, &envelope, &options).get_packed_command(),
            b"*6\r\n$3\r\nSET\r\n$6\r\nn:k:#1\r\n$8\r\nheadbody\r\n$2\r\nPX\r\n$4\r\n1000\r\n$2\r\nNX\r\n"
        );
    }
}
