//! What the processes of one run say to each other: lines over loopback, `word number…` and `ok number…` or `no`. A
//! line is bounded, and whoever sends something else is no longer listened to.

mod client;
mod server;

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

pub(crate) use self::{
    client::Client,
    server::{Service, serve},
};

/// Longer than a word and [`MAX_NUMBERS`] numbers.
const MAX_LINE: u64 = 512;
const MAX_NUMBERS: usize = 21;

/// Reads a line: its word and its numbers. `None` at the end of the stream.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<(String, Vec<u64>)>> {
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    parse(&line).map(Some).ok_or_else(|| io::Error::other("a line that makes no sense"))
}

fn parse(line: &[u8]) -> Option<(String, Vec<u64>)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let mut words = line.split(' ');
    let word = words.next().filter(|word| !word.is_empty())?;
    // One more than is allowed tells that there are too many.
    let numbers: Option<Vec<u64>> = words.take(MAX_NUMBERS + 1).map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() <= MAX_NUMBERS).map(|numbers| (word.to_owned(), numbers))
}

fn line(word: &str, numbers: &[u64]) -> String {
    let mut line = word.to_owned();
    for number in numbers {
        line.push(' ');
        line.push_str(&number.to_string());
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was_sent() {
        for numbers in [&[][..], &[0], &[7, u64::MAX], &[1; MAX_NUMBERS]] {
            let line = line("invalidated", numbers);
            assert!(line.len() as u64 <= MAX_LINE);
            assert_eq!(parse(line.as_bytes()), Some(("invalidated".to_owned(), numbers.to_vec())));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in
            ["", "\n", " 1\n", "read 1", "read x\n", "read -1\n", "read  1\n", "read 18446744073709551616\n"]
        {
            assert_eq!(parse(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(parse(b"\xff\n"), None);
        assert_eq!(parse(line("read", &[1; MAX_NUMBERS + 1]).as_bytes()), None);
    }

    #[tokio::test]
    async fn an_endless_line_is_given_up() {
        let bytes = vec![b'x'; 100_000];
        assert!(read_line(&mut &bytes[..]).await.is_err());
        assert!(read_line(&mut &b""[..]).await.unwrap().is_none());
    }
}
