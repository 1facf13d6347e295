//! What a client gets in place of what the server has answered.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::link::Link;
use super::{Fault, Protocol, Shared};

/// How long a reply waits for the one that is to come before it.
const SWAP_LIMIT: Duration = Duration::from_millis(20);
/// How often a connection on which nothing happens looks at what the fault is.
const TICK: Duration = Duration::from_millis(20);
/// After how many bytes of replies connections are cut, in turn. Memcached's answer to `stats settings` has some 2500.
const CUTS: [usize; 12] = [0, 1, 5, 17, 60, 150, 400, 1000, 2600, 2700, 3000, 5000];

/// One reply, and when it came.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) came: Instant,
}

pub(super) struct Writer<'a> {
    link: &'a Link,
    shared: &'a Shared,
    /// A reply that waits for the next one to come before it.
    held: Option<Piece>,
    /// How many replies there were, and how many bytes of them since the cut was set.
    replies: u64,
    left: Option<usize>,
    invented: Instant,
    random: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(link: &'a Link, shared: &'a Shared) -> Self {
        let random = link.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { link, shared, held: None, replies: 0, left: None, invented: Instant::now(), random }
    }

    /// Writes until the server's side ends. An error ends the client's.
    pub(super) fn run(mut self, inbox: &Receiver<Piece>) -> io::Result<()> {
        let mut plain = Vec::new();
        loop {
            let wait = match (self.held.as_ref(), self.shared.fault()) {
                (Some(held), _) => (held.came + SWAP_LIMIT).saturating_duration_since(Instant::now()),
                (None, Fault::Unsolicited(every)) => every.min(TICK),
                (None, _) => TICK,
            };
            match inbox.recv_timeout(wait) {
                Ok(piece) => self.take(piece, &mut plain)?,
                Err(RecvTimeoutError::Timeout) => self.idle()?,
                Err(RecvTimeoutError::Disconnected) => return self.release(),
            }
            // What can pass together leaves together.
            while let Ok(piece) = inbox.try_recv() {
                self.take(piece, &mut plain)?;
            }
            self.write(&plain)?;
            plain.clear();
        }
    }

    /// Does with a reply what is to be done; what simply passes is added to `plain`.
    fn take(&mut self, piece: Piece, plain: &mut Vec<u8>) -> io::Result<()> {
        let fault = self.shared.fault_after_black_hole();
        self.replies += 1;
        let is_chosen = |one_in: u64| self.replies.is_multiple_of(one_in.max(1));
        if !matches!(fault, Fault::None | Fault::Doubled(_)) {
            self.write(plain)?;
            plain.clear();
        }
        if let Some(held) = self.held.take() {
            self.write(&piece.bytes)?;
            return self.write(&held.bytes);
        }
        match fault {
            Fault::Delay(delay) => {
                thread::sleep((piece.came + delay).saturating_duration_since(Instant::now()));
                self.write(&piece.bytes)
            }
            Fault::Cut => self.write_up_to_the_cut(&piece.bytes),
            Fault::ByteByByte => {
                // No delays between them: on a busy machine each would be a turn of somebody else's.
                piece.bytes.chunks(1).try_for_each(|byte| self.write(byte))
            }
            Fault::Garbage => {
                self.link.spoil();
                let garbage = self.garbage();
                self.write(&garbage)
            }
            Fault::HugeLength => {
                self.link.spoil();
                let reply = huge(self.shared.protocol, &piece.bytes);
                self.write(&reply)
            }
            Fault::Doubled(one_in) if is_chosen(one_in) => {
                self.link.spoil();
                plain.extend_from_slice(&piece.bytes);
                plain.extend_from_slice(&piece.bytes);
                Ok(())
            }
            Fault::Swapped(one_in) if is_chosen(one_in) => {
                self.link.spoil();
                self.held = Some(piece);
                Ok(())
            }
            Fault::Unsolicited(every) => {
                self.write(&piece.bytes)?;
                self.invent(every)
            }
            Fault::BusLate(delay) if self.link.is_bus() => {
                thread::sleep((piece.came + delay).saturating_duration_since(Instant::now()));
                self.write(&piece.bytes)
            }
            Fault::BusSilent if self.link.is_bus() => {
                self.link.spoil();
                Ok(())
            }
            Fault::HalfClosed | Fault::NeverAnswered | Fault::Reset => Ok(()),
            _ => {
                plain.extend_from_slice(&piece.bytes);
                Ok(())
            }
        }
    }

    /// Nothing has come for a moment.
    fn idle(&mut self) -> io::Result<()> {
        self.release()?;
        match self.shared.fault() {
            Fault::Unsolicited(every) => self.invent(every),
            _ => Ok(()),
        }
    }

    fn release(&mut self) -> io::Result<()> {
        match self.held.take() {
            Some(held) => self.write(&held.bytes),
            None => Ok(()),
        }
    }

    fn invent(&mut self, every: Duration) -> io::Result<()> {
        if self.invented.elapsed() < every {
            return Ok(());
        }
        self.invented = Instant::now();
        self.link.spoil();
        self.write(match self.shared.protocol {
            Protocol::Resp => b"$5\r\nnever\r\n",
            Protocol::Meta => b"VA 5\r\nnever\r\n",
        })
    }

    fn write_up_to_the_cut(&mut self, bytes: &[u8]) -> io::Result<()> {
        let number = usize::try_from(self.link.number).unwrap_or(0);
        let left = self.left.get_or_insert(CUTS[number % CUTS.len()]);
        let passes = bytes.len().min(*left);
        *left -= passes;
        self.write(&bytes[..passes])?;
        if passes < bytes.len() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    fn garbage(&mut self) -> Vec<u8> {
        let without_ends = self.link.number.is_multiple_of(2);
        let mut next = || {
            // Xorshift (Marsaglia, 2003).
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random.to_le_bytes()
        };
        let mut bytes: Vec<u8> = (0..8).flat_map(|_| next()).collect();
        if without_ends {
            bytes.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b'x');
        } else {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.link.client).write_all(bytes)
    }
}

/// The beginning of a value of 999 999 999 bytes, for whoever waits for this reply.
fn huge(protocol: Protocol, reply: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::Resp => b"$999999999\r\nnot all of it".to_vec(),
        Protocol::Meta => {
            let line = reply.split(|byte| *byte == b'\r').next().unwrap_or_default();
            // The opaque is what a client knows its reply by.
            let opaque = line.split(|byte| *byte == b' ').find(|word| word.starts_with(b"O"));
            [b"VA 999999999 ", opaque.unwrap_or_default(), b"\r\nnot all of it"].concat()
        }
    }
}
