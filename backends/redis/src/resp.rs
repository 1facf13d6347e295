//! The protocol of Redis, RESP version 2, as far as a store needs it.

mod reply;
mod request;

use bytes::Bytes;
use larder_core::key::StoreKey;
use larder_net::{Collects, Event, Failure, Input, Outgoing, Protocol};

pub(crate) use self::{
    reply::Reply,
    request::{Request, Want, key_pieces, millis},
};

/// Longer than any line that a server sends: error texts have some hundred bytes.
const MAX_LINE: usize = 64 * 1024;

/// The protocol of one connection.
#[derive(Debug)]
pub(crate) struct Resp {
    /// The longest value that may come, in bytes.
    max_value: u64,
    in_value: bool,
}

impl Resp {
    pub(crate) fn new(max_value: u64) -> Self {
        Self { max_value, in_value: false }
    }
}

impl Protocol for Resp {
    type Request<'a> = Request<'a>;
    type Reply = Reply;
    type Expected = Want;

    fn write(request: &Request<'_>, _: u32, out: &mut Outgoing) -> Want {
        request.write(out)
    }

    #[inline]
    fn read(&mut self, input: &mut Input) -> Result<Option<Event<Reply>>, Failure> {
        if !self.in_value {
            // What begins like no reply has no end that is worth waiting for.
            if let Some(mark) = input.first().filter(|mark| !reply::MARKS.contains(mark)) {
                return Err(reply::unknown(&[mark]));
            }
            let Some(line) = input.line(MAX_LINE, reply::parse)? else { return Ok(None) };
            match line? {
                reply::Line::Reply(reply) => return Ok(Some(Event::Reply(reply))),
                reply::Line::Parts(parts) => return Ok(Some(Event::Parts(parts))),
                reply::Line::Value(len) => input.begin_body(len, self.max_value)?,
            }
            self.in_value = true;
        }
        let Some(bytes) = input.body()? else { return Ok(None) };
        self.in_value = false;
        Ok(Some(Event::Reply(Reply::Value(bytes))))
    }

    #[inline]
    fn check(&mut self, want: Want, reply: &Reply) -> Result<(), Failure> {
        let fits = match (want, reply) {
            (_, Reply::Refused(_))
            | (Want::Value, Reply::Value(_) | Reply::Nil)
            | (Want::Written, Reply::Done | Reply::Nil)
            | (Want::Number, Reply::Number(_))
            | (Want::Scripted, Reply::Number(_) | Reply::Value(_) | Reply::Nil) => true,
            (Want::Value | Want::Written | Want::Number | Want::Scripted, _) => false,
        };
        if fits {
            return Ok(());
        }
        Err(Failure::protocol("the server's reply does not fit the request"))
    }
}

impl Collects for Resp {
    type Key<'a> = StoreKey<'a>;

    #[inline]
    fn write_key(key: &StoreKey<'_>, out: &mut Vec<u8>) {
        request::put_key(key, "", out);
    }

    fn write_keys(keys: &[u8], count: usize, _: u32, out: &mut Outgoing) -> Want {
        if count == 1 {
            out.put(b"*2\r\n$3\r\nGET\r\n");
        } else {
            request::put_head(b'*', count as u64 + 1, out.text());
            out.put(b"$4\r\nMGET\r\n");
        }
        out.put(keys);
        Want::Value
    }

    /// `MGET` says nil of a key that holds a list as well, where `GET` says that it does.
    fn among_others(reply: Reply) -> Reply {
        if matches!(reply, Reply::Nil) { Reply::NilAmongOthers } else { reply }
    }
}

/// The bytes of a value.
pub(crate) type Value = Bytes;

#[cfg(test)]
mod tests {
    use larder_core::{Key, Ttl, backend::Condition, envelope::Envelope, key::Namespace};

    use super::*;

    /// What these bytes are to this protocol, in pieces of this length.
    fn events(bytes: &[u8], piece: usize) -> Result<Vec<Event<Reply>>, Failure> {
        use bytes::BufMut as _;
        let (mut resp, mut input, mut found) = (Resp::new(1000), Input::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            input.room().put_slice(piece);
            while let Some(event) = resp.read(&mut input)? {
                found.push(event);
            }
        }
        Ok(found)
    }

    #[test]
    fn replies_come_out_whatever_the_pieces() {
        let bytes = b"+OK\r\n$-1\r\n:7\r\n$5\r\na\r\nbc\r\n*2\r\n$1\r\nx\r\n$0\r\n\r\n-OOM no room\r\n";
        let value = |text: &'static str| Event::Reply(Reply::Value(Bytes::from_static(text.as_bytes())));
        let expected = vec![
            Event::Reply(Reply::Done),
            Event::Reply(Reply::Nil),
            Event::Reply(Reply::Number(7)),
            value("a\r\nbc"),
            Event::Parts(2),
            value("x"),
            value(""),
            Event::Reply(Reply::Refused("OOM no room".into())),
        ];
        for piece in 1..bytes.len() {
            assert_eq!(events(bytes, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn what_the_protocol_does_not_allow_ends_the_connection() {
        for bytes in [
            &b"$999999999\r\n"[..],
            b"$1001\r\n",
            b"$-2\r\n",
            b"$x\r\n",
            b"*99999999999999999999\r\n",
            b":1x\r\n",
            b"hello\r\n",
            b"\r\n",
            b"$1\r\nab\r\n",
            b"+QUEUED\r\n",
        ] {
            assert!(events(bytes, 100).is_err(), "{}", bytes.escape_ascii());
        }
        assert!(events(&vec![b'+'; MAX_LINE + 10], 4000).is_err());
        assert!(events(b"x", 1).is_err(), "not before the line has ended");
    }

    #[test]
    fn a_reply_of_another_kind_is_told_from_its_request() {
        let value = || Reply::Value(Bytes::new());
        let mut resp = Resp::new(1000);
        for (want, fits) in [
            (Want::Value, vec![value(), Reply::Nil]),
            (Want::Written, vec![Reply::Done, Reply::Nil]),
            (Want::Number, vec![Reply::Number(1)]),
            (Want::Scripted, vec![Reply::Number(0), value(), Reply::Nil]),
        ] {
            for reply in [value(), Reply::Nil, Reply::Done, Reply::Number(0)] {
                let is_kind = |it: &Reply| std::mem::discriminant(it) == std::mem::discriminant(&reply);
                assert_eq!(resp.check(want, &reply).is_ok(), fits.iter().any(is_kind), "{want:?} {reply:?}");
            }
            resp.check(want, &Reply::Refused("ERR".into())).unwrap();
        }
    }

    fn packed(parts: &[&[u8]]) -> Vec<u8> {
        let mut command = redis::Cmd::new();
        for part in parts {
            command.arg(*part);
        }
        command.get_packed_command()
    }

    /// redis-rs says how commands are packed.
    #[test]
    fn commands_are_packed_as_redis_rs_packs_them() {
        let (namespace, key) = (Namespace::new("n", 0).unwrap(), Key::new("k").part(1));
        let key = StoreKey::new(&namespace, &key);
        let other = Key::new("other");
        let other = StoreKey::new(&namespace, &other);
        let envelope = Envelope { header: "head".into(), body: Bytes::from(vec![b'b'; 10_000]) };
        let whole = envelope.to_bytes();
        let set = |ttl: Ttl, condition| Request::Set { key, envelope: &envelope, ttl, condition };
        let second = Ttl::After(std::time::Duration::from_secs(1));
        let names: [&[u8]; 2] = [b"n:k:#1", b"n:other"];
        for (request, parts) in [
            (Request::Get(key), vec![&b"GET"[..], names[0]]),
            (Request::GetMany(&[key, other]), vec![b"MGET", names[0], names[1]]),
            (Request::Exist(&[key, other]), vec![b"EXISTS", names[0], names[1]]),
            (Request::Delete(key), vec![b"UNLINK", names[0]]),
            (set(Ttl::Never, Condition::Always), vec![b"SET", names[0], &whole]),
            (set(second, Condition::Absent), vec![b"SET", names[0], &whole, b"PX", b"1000", b"NX"]),
            (set(Ttl::Never, Condition::Present), vec![b"SET", names[0], &whole, b"XX"]),
        ] {
            let mut out = Outgoing::default();
            Resp::write(&request, 0, &mut out);
            assert_eq!(out.to_vec().escape_ascii().to_string(), packed(&parts).escape_ascii().to_string());
        }
        let mut keys = Vec::new();
        Resp::write_key(&key, &mut keys);
        let mut out = Outgoing::default();
        Resp::write_keys(&keys, 1, 0, &mut out);
        assert_eq!(out.to_vec(), packed(&[b"GET", names[0]]));
        Resp::write_key(&other, &mut keys);
        let mut out = Outgoing::default();
        Resp::write_keys(&keys, 2, 0, &mut out);
        assert_eq!(out.to_vec(), packed(&[b"MGET", names[0], names[1]]));
    }
}
