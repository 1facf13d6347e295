//! Commands that run a script, packed by redis-rs.

use std::{fmt::Write as _, io::Write as _};

use larder_core::{
    Ttl,
    backend::CounterOptions,
    entry::Token,
    envelope::Envelope,
    key::{COUNTER_SUFFIX, StoreKey},
};
use redis::{Cmd, RedisWrite as _};

use crate::{
    resp::{key_pieces, millis},
    scripts::{self, Lua},
};

/// What a command takes beside its key and value, generously.
const WORDS: usize = 64;

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
    push(&mut command, [&envelope.header, &envelope.body]);
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

/// Runs [`LIST`](scripts::LIST) for keys that begin so. What is a pattern to the server is none here.
pub(crate) fn list(name: Name, prefix: &str, from: u64) -> Cmd {
    let (name, script) = match name {
        Name::Hash => ("EVALSHA", &scripts::LIST.hash),
        Name::Whole => ("EVAL", &scripts::LIST.body),
    };
    let mut command = redis::cmd(name);
    command.arg(script).arg(0).arg(from).arg(format!("{}*", escaped(prefix)));
    command
}

/// A text as a pattern that fits nothing else: of what a namespace may have, none is special, and this does not rely on it.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
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
