//! What comes on the channel: replies, and messages that nobody asked for. RESP version 3, as far as that is needed. Lengths are
//! checked before anything is allocated for them.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};
use larder_core::key::MAX_STORE_KEY;
use larder_net::{Failure, decimal};

/// Longer than any line that a server sends here.
const MAX_LINE: usize = 4096;
/// What is longer is the key of no entry, and passed over; a counter has a suffix.
const MAX_TEXT: usize = MAX_STORE_KEY + 8;
/// More parts than any message has.
const MAX_PARTS: u64 = 16 * 1024 * 1024;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The reply to a command, or why it was refused.
    Reply(Result<(), String>),
    /// A subscription has begun, which has no other reply.
    Subscribed,
    /// This key was changed.
    Changed(String),
    /// Everything was.
    Everything,
}

/// Reads the channel.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) buffer: BytesMut,
    /// So many bytes of a text that is passed over are still to come.
    passing: u64,
    within: Within,
    ready: VecDeque<Heard>,
}

/// What the next word is a part of.
#[derive(Debug, Default)]
enum Within {
    #[default]
    Nothing,
    /// A message with so many parts, of which none has come.
    Message(u64),
    /// A message that says which keys are invalid: the keys follow.
    Invalid,
    /// So many keys follow.
    Keys(u64),
    /// So many words follow that say nothing; then this has been heard.
    Rest(u64, Option<Heard>),
}

/// One word.
#[derive(Debug)]
enum Word {
    Text(Option<String>),
    Refusal(String),
    Null,
    /// So many words follow, and whether they are a message that nobody has asked for.
    Parts(u64, bool),
    Other,
}

impl Reader {
    /// The next thing heard; `None` until more has come.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, Failure> {
        loop {
            if let Some(heard) = self.ready.pop_front() {
                return Ok(Some(heard));
            }
            let Some(word) = self.word()? else { return Ok(None) };
            self.within = match (std::mem::take(&mut self.within), word) {
                (Within::Nothing, Word::Parts(0, true)) | (Within::Invalid, Word::Parts(0, false)) => {
                    Within::Nothing
                }
                (Within::Nothing, Word::Parts(parts, true)) => Within::Message(parts),
                (Within::Nothing, Word::Parts(parts, false)) => self.rest(parts, Some(Heard::Reply(Ok(())))),
                (Within::Nothing, Word::Refusal(why)) => self.heard(Heard::Reply(Err(why))),
                (Within::Nothing, _) => self.heard(Heard::Reply(Ok(()))),
                (Within::Message(2), Word::Text(Some(kind))) if kind == "invalidate" => Within::Invalid,
                (Within::Message(parts), Word::Text(Some(kind))) if kind == "subscribe" => {
                    self.rest(parts - 1, Some(Heard::Subscribed))
                }
                (Within::Message(parts), word) => self.rest(parts - 1 + word.parts(), None),
                (Within::Invalid, Word::Null) => self.heard(Heard::Everything),
                (Within::Invalid, Word::Parts(keys, false)) => Within::Keys(keys),
                (Within::Keys(left), Word::Text(key)) => {
                    self.ready.extend(key.map(Heard::Changed));
                    if left == 1 { Within::Nothing } else { Within::Keys(left - 1) }
                }
                (Within::Invalid | Within::Keys(_), _) => {
                    return Err(Failure::protocol("the server does not say which keys were changed"));
                }
                (Within::Rest(left, then), word) => self.rest(left - 1 + word.parts(), then),
            };
        }
    }

    fn heard(&mut self, heard: Heard) -> Within {
        self.ready.push_back(heard);
        Within::Nothing
    }

    fn rest(&mut self, left: u64, then: Option<Heard>) -> Within {
        if left > 0 {
            return Within::Rest(left.min(MAX_PARTS), then);
        }
        self.ready.extend(then);
        Within::Nothing
    }

    fn word(&mut self) -> Result<Option<Word>, Failure> {
        if self.passing > 0 {
            let passed = usize::try_from(self.passing).unwrap_or(usize::MAX).min(self.buffer.len());
            self.buffer.advance(passed);
            self.passing -= passed as u64;
            return Ok((self.passing == 0).then_some(Word::Text(None)));
        }
        let Some(end) = self.buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
            return if self.buffer.len() >= MAX_LINE { Err(not_understood()) } else { Ok(None) };
        };
        let Some((mark, rest)) = self.buffer[..end].strip_suffix(b"\r").and_then(|line| line.split_first())
        else {
            return Err(not_understood());
        };
        let text = |rest: &[u8]| String::from_utf8_lossy(rest).into_owned();
        let count = || decimal(rest).filter(|count| *count <= MAX_PARTS).ok_or_else(not_understood);
        let word = match (mark, rest) {
            (b'$' | b'*', b"-1") | (b'_', _) => Word::Null,
            (b'+' | b':' | b',' | b'#' | b'(', _) => Word::Other,
            (b'-', _) => Word::Refusal(text(rest)),
            (b'*' | b'~', _) => Word::Parts(count()?, false),
            (b'>', _) => Word::Parts(count()?, true),
            (b'%', _) => Word::Parts(count()? * 2, false),
            (b'$' | b'=' | b'!', _) => {
                let len = decimal(rest).ok_or_else(not_understood)?;
                let Some(short) = usize::try_from(len).ok().filter(|len| *len <= MAX_TEXT) else {
                    self.buffer.advance(end + 1);
                    self.passing = len.saturating_add(2);
                    return self.word();
                };
                let body = end + 1;
                let Some(whole) = self.buffer.get(body..body + short + 2) else { return Ok(None) };
                let Some(key) = whole.strip_suffix(b"\r\n") else { return Err(not_understood()) };
                // No key of ours has other letters.
                let key = std::str::from_utf8(key).ok().map(str::to_owned);
                self.buffer.advance(body + short + 2);
                return Ok(Some(Word::Text(key)));
            }
            _ => return Err(not_understood()),
        };
        self.buffer.advance(end + 1);
        Ok(Some(word))
    }
}

impl Word {
    fn parts(&self) -> u64 {
        if let Self::Parts(parts, _) = self { *parts } else { 0 }
    }
}

fn not_understood() -> Failure {
    Failure::protocol("what the server says of changes cannot be understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], piece: usize) -> Result<Vec<Heard>, Failure> {
        let (mut reader, mut heard) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.buffer.extend_from_slice(piece);
            while let Some(next) = reader.next()? {
                heard.push(next);
            }
        }
        assert!(reader.buffer.is_empty(), "{:?}", reader.buffer);
        Ok(heard)
    }

    #[test]
    fn everything_comes_out_whatever_the_pieces() {
        let long = "k".repeat(MAX_TEXT + 1);
        let foreign = format!(">2\r\n$10\r\ninvalidate\r\n*2\r\n${}\r\n{long}\r\n$1\r\nx\r\n", long.len());
        let bytes = [
            &b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*1\r\n%1\r\n+a\r\n:1\r\n+OK\r\n"[..],
            b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
            b">2\r\n$10\r\ninvalidate\r\n*2\r\n$3\r\ns:a\r\n$3\r\ns:b\r\n+PONG\r\n",
            b">2\r\n$10\r\ninvalidate\r\n_\r\n-NOPERM no\r\n",
            b">1\r\n$6\r\nwhat's\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\ntext\r\n",
            foreign.as_bytes(),
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\n\xff\xfe\r\n",
        ]
        .concat();
        let changed = |key: &str| Heard::Changed(key.to_owned());
        for piece in 1..bytes.len() {
            let heard = all(&bytes, piece);
            let Ok(heard) = heard else { panic!("{piece}: {heard:?}") };
            assert_eq!(
                heard[..9],
                [
                    Heard::Reply(Ok(())),
                    Heard::Reply(Ok(())),
                    Heard::Subscribed,
                    changed("s:a"),
                    changed("s:b"),
                    Heard::Reply(Ok(())),
                    Heard::Everything,
                    Heard::Reply(Err("NOPERM no".to_owned())),
                    changed("x"),
                ],
                "{piece}"
            );
        }
    }

    #[test]
    fn what_cannot_be_understood_ends_the_channel() {
        for bytes in [
            &b"hello\r\n"[..],
            b"\r\n",
            b"+OK\n",
            b"*99999999999\r\n",
            b"$x\r\n",
            b"$1\r\nab\r\n",
            b">2\r\n$10\r\ninvalidate\r\n+all\r\n",
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n:1\r\n",
        ] {
            let mut reader = Reader::default();
            reader.buffer.extend_from_slice(bytes);
            let end = loop {
                match reader.next() {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            assert!(end.is_err(), "{}", bytes.escape_ascii());
        }
        assert!(all(&vec![b'+'; MAX_LINE], 100).is_err());
    }

    /// Nothing is allocated for what is only announced.
    #[test]
    fn a_text_of_any_length_is_passed_over() {
        let mut reader = Reader::default();
        reader.buffer.extend_from_slice(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$18446744073709551615\r\n");
        for _ in 0..10 {
            reader.buffer.extend_from_slice(&[b'k'; 1000]);
            assert_eq!(reader.next().unwrap(), None);
            assert!(reader.buffer.is_empty());
        }
    }
}
