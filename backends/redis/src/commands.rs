//! The commands as they are sent. Values are written into them piece by piece and never joined before.

use std::{io::Write as _, time::Duration};

use larder_core::{
    Ttl,
    backend::{Condition, SetOptions},
    entry::Token,
    envelope::Envelope,
    key::StoreKey,
};
use redis::{Cmd, RedisWrite as _};

use crate::scripts::{HEAD, Lua};

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

/// How a script is named: by its hash, or as a whole to a server that does not know it yet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    Hash(&'static Lua),
    Whole(&'static Lua),
}

/// Runs [`REPLACE`](crate::scripts::REPLACE).
pub(crate) fn replace(script: Named, key: &StoreKey<'_>, envelope: &Envelope, ttl: Ttl, token: Token) -> Cmd {
    let mut command = run(script, key, 7, envelope.len());
    command.arg(&HEAD[..]).arg(&token.0.to_le_bytes()[..]);
    push_envelope(&mut command, envelope);
    push_life(&mut command, ttl);
    command
}

/// Runs [`TOUCH`](crate::scripts::TOUCH).
pub(crate) fn touch(script: Named, key: &StoreKey<'_>, lifetime: &[u8; 24], ttl: Ttl) -> Cmd {
    let mut command = run(script, key, 6, lifetime.len());
    command.arg(&HEAD[..]).arg(&lifetime[..]);
    push_life(&mut command, ttl);
    command
}

fn run(script: Named, key: &StoreKey<'_>, arguments: usize, len: usize) -> Cmd {
    let (name, script) = match script {
        Named::Hash(script) => ("EVALSHA", &script.hash),
        Named::Whole(script) => ("EVAL", &script.body),
    };
    let mut command = Cmd::with_capacity(arguments, WORDS + script.len() + key.len() + len);
    command.arg(name).arg(script).arg(1);
    push_key(&mut command, key);
    command
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
    push(command, [key.namespace().text().as_bytes(), b":", key.key().text().as_bytes()]);
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

fn push_life(command: &mut Cmd, ttl: Ttl) {
    match millis(ttl) {
        Some(life) => command.arg(life),
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
