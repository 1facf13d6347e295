//! Files and standard input, compressed or not, line by line. No line is kept longer than its bound, and a file whose
//! compression ends too early ends there.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

/// A line may have so many bytes.
pub(crate) const MAX_LINE: usize = 1 << 20;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;
/// What a frame of zstd may ask for in memory: 2^27 bytes, what the `zstd` program allows as well.
const ZSTD_WINDOW_LOG: u32 = 27;

/// What came of reading a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is in the buffer, without its end.
    Line,
    /// It was too long; its beginning is in the buffer.
    TooLong,
    /// There are no more.
    End,
}

/// A reader that says how much was read, as it stands in the file.
struct Counting {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Something with lines.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
}

impl Lines {
    /// Opens a file, or standard input as `-`. Its first bytes say how it is compressed. The bytes that were read are added up.
    pub(crate) fn open(path: &Path, read: &Arc<AtomicU64>) -> io::Result<Self> {
        let reader: Box<dyn Read + Send> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        Self::of(Box::new(Counting { reader, read: Arc::clone(read) }))
    }

    /// The lines of a reader.
    pub(crate) fn of(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(BUFFER, reader);
        // A pipe may give less than four bytes at once; nothing is so short and compressed.
        let reader: Box<dyn BufRead + Send> = match reader.fill_buf()? {
            [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(BufReader::with_capacity(BUFFER, decoder))
            }
            _ => Box::new(reader),
        };
        Ok(Self { reader })
    }

    /// Reads the next line into the buffer.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let mut is_too_long = false;
        let mut is_begun = false;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                break;
            }
            is_begun = true;
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            let room = MAX_LINE - line.len();
            is_too_long |= part.len() > room;
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !is_begun {
            return Ok(Next::End);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(if is_too_long { Next::TooLong } else { Next::Line })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    fn all(bytes: Vec<u8>) -> (Vec<String>, Option<io::ErrorKind>) {
        let mut lines = Lines::of(Box::new(Cursor::new(bytes))).unwrap();
        let (mut line, mut all) = (Vec::new(), Vec::new());
        loop {
            match lines.next(&mut line) {
                Ok(Next::End) => return (all, None),
                Ok(Next::Line) => all.push(String::from_utf8(line.clone()).unwrap()),
                Ok(Next::TooLong) => all.push(format!("too long: {}", line.len())),
                Err(error) => return (all, Some(error.kind())),
            }
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn plain_gzip_of_two_members_and_zstd() {
        let expected = (["a", "", "b"].map(str::to_owned).to_vec(), None);
        assert_eq!(all(b"a\n\r\nb".to_vec()), expected);
        assert_eq!(all([gzip(b"a\n\n"), gzip(b"b\n")].concat()), expected);
        assert_eq!(all(zstd::encode_all(&b"a\n\nb\n"[..], 1).unwrap()), expected);
        assert_eq!(all(Vec::new()), (vec![], None));
    }

    #[test]
    #[allow(clippy::format_collect)]
    fn a_file_that_ends_early_gives_what_it_has_and_an_error() {
        let text = (0..200_000).map(|number| format!("line {number}\n")).collect::<String>();
        for whole in [gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
            let (lines, error) = all(whole[..whole.len() / 2].to_vec());
            assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
            assert!(lines.len() > 100 && lines[0] == "line 0", "{}", lines.len());
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_not_kept() {
        let text = [vec![b'x'; 10 << 20], b"\nnext\n".to_vec()].concat();
        assert_eq!(all(text).0, [format!("too long: {MAX_LINE}"), "next".to_owned()]);
    }
}
