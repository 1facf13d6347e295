//! The meta protocol, as much of it as a cache needs, and the `get` of the text protocol for many keys: requests written,
//! replies read and checked against their requests.
//!
//! Source: `doc/protocol.txt` of memcached, "Meta Commands"; what differs between versions is marked.

mod key;
mod reply;
mod request;

use larder_net::{Event, Failure, Input, Outgoing, Protocol};

use self::reply::{Line, parse};
pub(crate) use self::{
    key::WireKey,
    reply::{Found, Mark, Refusal, Reply, error_line},
    request::{Body, Mode, Request},
};

/// Longer than any reply line of any version; error texts are below 200 bytes.
const MAX_LINE: usize = 2048;
/// The most keys of one `get`. Its values are held until its end has come.
pub(crate) const KEYS_AT_ONCE: usize = 128;

/// The protocol on one connection.
#[derive(Debug)]
pub(crate) struct Meta {
    /// The largest value that the server may send.
    max_value: u64,
    /// Whether the server gives the opaque back with a miss, as it does since 1.6.18.
    echoes_misses: bool,
    /// A value whose line has been read.
    head: Option<Head>,
    /// What has come of the reply to a `get`.
    found: Found,
    /// The number that the reply which was read last carries.
    opaque: Option<u32>,
}

#[derive(Debug)]
enum Head {
    Value { opaque: Option<u32>, cas: u64, mark: Mark },
    Found,
}

/// What is known of a reply before it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It carries this number.
    Numbered(u32),
    /// It is that to a `get`, and carries the keys.
    Found,
}

impl Meta {
    pub(crate) fn new(max_value: u64, echoes_misses: bool) -> Self {
        Self { max_value, echoes_misses, head: None, found: Found::default(), opaque: None }
    }

    fn line(&mut self, line: Line, input: &mut Input) -> Result<Option<Reply>, Failure> {
        match line {
            // Whatever came of a `get` that is refused half-way is not used.
            Line::Reply { opaque, reply } if self.found.len() == 0 || matches!(reply, Reply::Refused(_)) => {
                self.found = Found::default();
                self.opaque = opaque;
                Ok(Some(reply))
            }
            Line::End => {
                self.opaque = None;
                Ok(Some(Reply::Found(std::mem::take(&mut self.found))))
            }
            Line::Value { len, opaque, cas, mark } if self.found.len() == 0 => {
                input.begin_body(len, self.max_value)?;
                self.head = Some(Head::Value { opaque, cas, mark });
                Ok(None)
            }
            Line::Found { len } => {
                if self.found.len() >= KEYS_AT_ONCE {
                    return Err(Failure::protocol("the server sent more values than were asked for"));
                }
                input.begin_body(len, self.max_value)?;
                self.head = Some(Head::Found);
                Ok(None)
            }
            Line::Reply { .. } | Line::Value { .. } => {
                Err(Failure::protocol("the server sent another reply amid the values of a `get`"))
            }
        }
    }
}

impl Protocol for Meta {
    type Request<'a> = Request<'a>;
    type Reply = Reply;
    type Expected = Expected;

    fn write(request: &Request<'_>, number: u32, out: &mut Outgoing) -> Expected {
        request.write(number, out);
        match request {
            Request::GetAll(_) => Expected::Found,
            _ => Expected::Numbered(number),
        }
    }

    fn read(&mut self, input: &mut Input) -> Result<Option<Event<Reply>>, Failure> {
        loop {
            if self.head.is_none() {
                let Some(line) = input.line(MAX_LINE, |line| parse(line, &mut self.found))? else {
                    return Ok(None);
                };
                if let Some(reply) = self.line(line?, input)? {
                    return Ok(Some(Event::Reply(reply)));
                }
            }
            let Some(bytes) = input.body()? else { return Ok(None) };
            match self.head.take() {
                Some(Head::Value { opaque, cas, mark }) => {
                    self.opaque = opaque;
                    return Ok(Some(Event::Reply(Reply::Value { bytes, cas, mark })));
                }
                Some(Head::Found) => self.found.push_value(bytes),
                // Not reached: a body is only begun with a head.
                None => {}
            }
        }
    }

    fn check(&mut self, expected: Expected, reply: &Reply) -> Result<(), Failure> {
        let is_theirs = match (expected, reply, self.opaque) {
            // A refusal carries nothing, whatever was asked.
            (_, Reply::Refused(_), None) | (Expected::Found, Reply::Found(_), _) => true,
            (Expected::Numbered(_), Reply::Found(_), _) => false,
            (Expected::Numbered(number), _, Some(opaque)) => opaque == number,
            (Expected::Numbered(_), Reply::Absent, None) => !self.echoes_misses,
            _ => false,
        };
        if is_theirs {
            return Ok(());
        }
        Err(Failure::protocol("the server sent a reply that belongs to another request"))
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, Bytes};
    use larder_core::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 200_000;

    type Numbered = (Option<u32>, Reply);

    /// What a stream gives when it comes in pieces of these lengths, over and over.
    fn read(stream: &[u8], pieces: &[usize]) -> (Vec<Numbered>, Option<ErrorKind>) {
        let (mut meta, mut input, mut replies) = (Meta::new(LIMIT, true), Input::default(), Vec::new());
        let (mut rest, mut pieces) = (stream, pieces.iter().cycle());
        loop {
            loop {
                match meta.read(&mut input) {
                    Ok(Some(Event::Reply(reply))) => replies.push((meta.opaque, reply)),
                    Ok(Some(other)) => panic!("{other:?}"),
                    Ok(None) => break,
                    Err(failure) => return (replies, Some(failure.kind())),
                }
            }
            if rest.is_empty() {
                return (replies, None);
            }
            let mut room = input.room();
            let piece = (*pieces.next().unwrap()).clamp(1, rest.len()).min(room.remaining_mut());
            room.put_slice(&rest[..piece]);
            rest = &rest[piece..];
        }
    }

    fn value(opaque: u32, bytes: impl Into<Bytes>) -> Numbered {
        (Some(opaque), Reply::Value { bytes: bytes.into(), cas: 0, mark: Mark::default() })
    }

    #[test]
    fn a_value_may_look_like_replies() {
        let stream = b"VA 20 O1\r\n\r\nEND\r\nHD O2\r\nERROR\r\r\nVALUE k 0 5\r\nEND\r\n\r\nEND\r\nEN O2\r\n";
        for piece in 1..stream.len() {
            let (replies, failure) = read(stream, &[piece]);
            assert_eq!(failure, None);
            let [first, (None, Reply::Found(found)), last] = &*replies else { panic!("{replies:?}") };
            assert_eq!(*first, value(1, &b"\r\nEND\r\nHD O2\r\nERROR\r"[..]));
            let found = found.clone().assign([&b"k"[..]].into_iter()).unwrap();
            assert_eq!(found, [Some(Bytes::from_static(b"END\r\n"))]);
            assert_eq!(*last, (Some(2), Reply::Absent));
        }
    }

    #[test]
    fn what_a_get_may_not_hold_ends_the_connection() {
        let many = "VALUE k 0 1\r\nv\r\n".repeat(KEYS_AT_ONCE + 1);
        for stream in [
            &*many,
            "VALUE k 0 1\r\nv\r\nHD O1\r\n",
            "VALUE k 0 1\r\nv\r\nVA 1 O1\r\nv\r\n",
            "VALUE k 0 200001\r\n",
            "VALUE k 0 1\r\nvv\r\n",
        ] {
            assert_eq!(read(stream.as_bytes(), &[7]), (Vec::new(), Some(ErrorKind::Protocol)), "{stream}");
        }
        let (replies, failure) = read(b"VALUE k 0 1\r\nv\r\nSERVER_ERROR out of memory\r\nEND\r\n", &[7]);
        assert_eq!(failure, None);
        let expected = [(None, Reply::Refused(Refusal::Full)), (None, Reply::Found(Found::default()))];
        assert_eq!(replies, expected);
    }

    #[test]
    fn a_reply_belongs_to_its_request_or_ends_the_connection() {
        let found = || Reply::Found(Found::default());
        let refused = || Reply::Refused(Refusal::Full);
        let (one, get) = (Expected::Numbered(1), Expected::Found);
        for (expected, opaque, reply, echoes_misses, is_theirs) in [
            (one, Some(1), Reply::Done, true, true),
            (one, Some(2), Reply::Done, true, false),
            (one, None, Reply::Done, true, false),
            (one, None, Reply::Absent, true, false),
            (one, None, Reply::Absent, false, true),
            (one, Some(2), Reply::Absent, false, false),
            (one, None, refused(), true, true),
            (one, None, found(), false, false),
            (get, None, found(), true, true),
            (get, None, refused(), true, true),
            (get, None, Reply::Absent, false, false),
            (get, Some(1), Reply::Done, true, false),
        ] {
            let mut meta = Meta { opaque, ..Meta::new(LIMIT, echoes_misses) };
            let checked = meta.check(expected, &reply);
            assert_eq!(checked.is_ok(), is_theirs, "{expected:?} {opaque:?} {reply:?} {echoes_misses}");
        }
    }

    /// Bytes that are often nearly a reply.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(b"HD O1\r\n".to_vec()),
            Just(b"EN\r\n".to_vec()),
            Just(b"NF O2 \r\n".to_vec()),
            Just(b"END\r\n".to_vec()),
            Just(b"SERVER_ERROR object too large for cache\r\n".to_vec()),
            Just(b"VA 5 O1 c3 W X\r\nab\r\nc\r\n".to_vec()),
            Just(b"VALUE key 0 5\r\nab\r\nc\r\n".to_vec()),
            Just(b"VA 99999999999999999999 O1\r\n".to_vec()),
            "[A-Z]{0,3} ?[0-9]{0,6} ?[OcWX]?[0-9a-f]{0,10}\r?\n?".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..300),
            (0_usize..100_000).prop_map(|len| {
                let mut value = format!("VA {len} Oa\r\n").into_bytes();
                value.resize(value.len() + len, b'v');
                value.extend_from_slice(b"\r\n");
                value
            }),
        ];
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn the_same_whatever_the_pieces(
            stream in stream(),
            pieces in proptest::collection::vec(prop_oneof![1_usize..50, 1_usize..100_000], 1..8),
        ) {
            let (whole, cut) = (read(&stream, &[usize::MAX]), read(&stream, &pieces));
            prop_assert!(whole == cut, "{:?} {:?}", whole.1, cut.1);
        }
    }
}
