//! What went wrong, in Larder's words: Redis's refusals by their code.
//!
//! Redis repeats commands in some refusals, values and passwords included. Such text does not get into an error as it is.

use larder_core::{
    Error, ErrorKind,
    error::{Operation, Origin},
};

use crate::resp::Reply;

/// What the server answered instead of doing it: an error's line, whose first word is the code.
pub(crate) fn refusal(operation: Operation, line: &str) -> Error {
    let (code, details) = line.split_once(' ').unwrap_or((line, ""));
    refusal_of(operation, code, details)
}

fn refusal_of(operation: Operation, code: &str, details: &str) -> Error {
    let (kind, message) = match code {
        "NOAUTH" => (ErrorKind::Auth, "the server asks for a password; set `password` or `password_file`"),
        "WRONGPASS" => (ErrorKind::Auth, "the server does not accept this user name and password"),
        "NOPERM" => (
            ErrorKind::Auth,
            "the user may not run this command on this key; the README of larder-redis lists the rights it needs",
        ),
        "DENIED" => (
            ErrorKind::Auth,
            "the server is in protected mode and accepts connections from its own machine only",
        ),
        "READONLY" => (
            ErrorKind::ReadOnly,
            "the server is a replica and takes no writes; `url` has to name the primary",
        ),
        "MISCONF" => (
            ErrorKind::ReadOnly,
            "the server cannot save its data to disk and takes no writes until it can; its log says why",
        ),
        "NOREPLICAS" => (ErrorKind::ReadOnly, "the server has too few replicas and takes no writes"),
        "OOM" => (
            ErrorKind::Full,
            "the server has reached `maxmemory` and may not evict; a cache wants `maxmemory-policy allkeys-lfu`",
        ),
        "LOADING" => (ErrorKind::Loading, "the server is still loading its data"),
        "MASTERDOWN" => (ErrorKind::Loading, "the server is a replica that has lost its primary"),
        "BUSY" => (ErrorKind::Busy, "the server is busy running a script"),
        "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" | "CLUSTERDOWN" => (
            ErrorKind::Unsupported,
            "the server is a node of a Redis Cluster, which larder-redis cannot use yet; name a single server",
        ),
        _ => return refusal_in_words(operation, code, details),
    };
    refused(kind, operation, message)
}

/// Refusals that have no code of their own.
fn refusal_in_words(operation: Operation, code: &str, details: &str) -> Error {
    let starts = |start: &str| details.starts_with(start);
    let (kind, message) = if starts("max number of clients") || starts("max clients") {
        (ErrorKind::Busy, "the server has as many clients as `maxclients` allows")
    } else if starts("Protocol error: invalid bulk length") || starts("string exceeds maximum allowed size") {
        (ErrorKind::TooLarge, "the value is larger than the server's `proto-max-bulk-len`")
    } else if starts("Protocol error") {
        (ErrorKind::Protocol, "the server reports that what it was sent is not valid in its protocol")
    } else if starts("The user executing the script") {
        return refusal_of(operation, "NOPERM", details);
    } else if starts("unknown command") || starts("Unknown Redis command") {
        (ErrorKind::Unsupported, "the server does not know a command that is needed; Redis 4.0 and newer do")
    } else if let Some((code, details)) = inside_script(details) {
        // Before Redis 7 the refusal of a command in a script is wrapped in one of the script.
        return refusal_of(operation, code, details);
    } else {
        let shown: String = code.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let message = format!("the server answered with an error: {shown} {}", without_arguments(details));
        return Error::new(ErrorKind::Other, operation, message.trim_end());
    };
    refused(kind, operation, message)
}

/// What is too much for the server is not too much for us.
fn refused(kind: ErrorKind, operation: Operation, message: &str) -> Error {
    let error = Error::new(kind, operation, message);
    if kind == ErrorKind::Busy { error.with_origin(Origin::Store) } else { error }
}

/// The refusal in "Error running script (…): @user_script:3: -OOM command not allowed …".
fn inside_script(details: &str) -> Option<(&str, &str)> {
    let (_, inner) = details.strip_prefix("Error running script")?.split_once(": -")?;
    inner.split_once(' ')
}

/// The text up to the first quotation mark: Redis quotes whatever it repeats of a command.
fn without_arguments(details: &str) -> String {
    let quote = |byte: char| matches!(byte, '\'' | '"' | '`') || !(' '..='~').contains(&byte);
    details.split(quote).next().unwrap_or_default().chars().take(120).collect()
}

/// Whether the script has to be sent as a whole: the server has forgotten it, or never knew it.
pub(crate) fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(line) if line.starts_with("NOSCRIPT"))
}

/// Whether the server does not have the command itself. (Of one that a script calls, it says "Unknown Redis command".)
pub(crate) fn is_unknown_command(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused(line) if line.starts_with("ERR unknown command"))
}

/// Whether the key holds something that is no string, and so no entry.
pub(crate) fn is_wrong_type(line: &str) -> bool {
    line.starts_with("WRONGTYPE")
}

/// Whether the server says that it is a replica.
pub(crate) fn is_replica(line: &str) -> bool {
    line.starts_with("READONLY")
}

/// The reply is of another kind than the command has. The connection must not be used any more.
pub(crate) fn nonsense(operation: Operation) -> Error {
    Error::new(ErrorKind::Protocol, operation, "the server's reply is not one that this command can have")
}

/// Scripts cannot be run, as this server has said not long ago.
pub(crate) fn no_scripts(operation: Operation) -> Error {
    let message = "the server runs no scripts (`EVALSHA`, `EVAL`), which this operation needs";
    Error::new(ErrorKind::Unsupported, operation, message)
}

pub(crate) fn too_large(operation: Operation, len: u64, limit: u64) -> Error {
    let message = format!("the entry has {len} bytes and the store takes at most {limit} (`max_value`)");
    Error::new(ErrorKind::TooLarge, operation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Error {
        refusal(Operation::Set, line)
    }

    #[test]
    fn refusals_are_told_apart() {
        for (line, kind) in [
            ("NOAUTH Authentication required.", ErrorKind::Auth),
            ("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::Auth),
            ("NOPERM this user has no permissions to run the 'set' command", ErrorKind::Auth),
            ("ERR The user executing the script can't run this command", ErrorKind::Auth),
            ("READONLY You can't write against a read only replica.", ErrorKind::ReadOnly),
            ("MISCONF Redis is configured to save RDB snapshots, but", ErrorKind::ReadOnly),
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Full),
            ("LOADING Redis is loading the dataset in memory", ErrorKind::Loading),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::Loading),
            ("BUSY Redis is busy running a script.", ErrorKind::Busy),
            ("ERR max number of clients reached", ErrorKind::Busy),
            ("ERR Protocol error: invalid bulk length", ErrorKind::TooLarge),
            ("ERR Protocol error: invalid multibulk length", ErrorKind::Protocol),
            ("MOVED 3999 127.0.0.1:6381", ErrorKind::Unsupported),
            ("ERR unknown command 'UNLINK', with args beginning with: 'k'", ErrorKind::Unsupported),
            (
                "ERR Error running script (call to f_a1): @user_script:3: @user_script: 3: -OOM command not allowed",
                ErrorKind::Full,
            ),
            ("ERR something new", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(told(line).kind(), kind, "{line}");
            let is_store = !matches!(kind, ErrorKind::TooLarge | ErrorKind::Unsupported);
            assert_eq!(told(line).origin() == Origin::Store, is_store, "{line}");
        }
    }

    #[test]
    fn what_the_server_repeats_is_not_shown() {
        for line in [
            "ERR no such thing 'hunter2' here",
            "ERR no such thing `hunter2` here",
            "ERR no such thing\r\nhunter2",
            "ERR wrong: \"hunter2\"",
        ] {
            let shown = format!("{} {:?}", told(line), told(line));
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        assert!(told("ERR value is not an integer").message().ends_with("ERR value is not an integer"));
    }
}
