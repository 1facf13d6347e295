//! From logs to requests, in the order of the log: files are opened, taken apart line by line, and handed on in batches by a
//! thread of its own, so that reading and reckoning take a processor each.

mod bad;
mod fields;
mod input;
mod observed;
mod parser;
mod pattern;
mod request;
mod template;
mod time;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64, mpsc::SyncSender},
};

use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::{
    bad::{Bad, Complaints},
    fields::Wanted,
    request::{Kind, Post},
    template::Template,
};
use self::{
    fields::{Fields, Role},
    input::{Lines, Next},
    observed::Observed,
    parser::Parser,
    pattern::Pattern,
    request::Request,
    time::{Times, number},
};

/// So many requests are handed on together.
const BATCH: usize = 4096;
/// More of a key is not remembered for the table of keys; all of it counts for which key it is.
const SHOWN_KEY: usize = 160;

/// The path of what depends on each write, and of writes that end everything. No path has this hash.
pub(crate) const EVERYTHING: u64 = 0;

/// How a log is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// What is wanted of a line.
    pub(crate) wanted: Wanted,
    /// How keys are made; `None`: of the field `key`, and where there is none, the target.
    pub(crate) template: Option<Template>,
    /// nginx's `log_format`, if it is given.
    pub(crate) log_format: Option<String>,
    /// What a `POST` is.
    pub(crate) post: Post,
    /// How much was read of the files.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

/// One line that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) kind: Kind,
    /// Of the key.
    pub(crate) hash: u64,
    /// Of the path, which writes invalidate; or [`EVERYTHING`].
    pub(crate) path: u64,
    /// Of the answer; more than 4 GiB counts as that.
    pub(crate) bytes: u32,
    /// How long the answer took, in microseconds, if the log says so; more than 71 minutes counts as that.
    pub(crate) micros: Option<u32>,
    /// Whether a cache would have stored the answer: not that of a server that failed.
    pub(crate) is_storable: bool,
    /// Where in its batch the key stands.
    pub(crate) key: (u32, u16),
    /// Where it stands in the log.
    pub(crate) line: u64,
}

#[cfg(test)]
impl Event {
    /// A request as a test has it.
    pub(crate) const fn of(time: i64, kind: Kind, hash: u64, bytes: u32) -> Self {
        Self { time, kind, hash, path: hash, bytes, micros: None, is_storable: true, key: (0, 0), line: 0 }
    }
}

/// Requests that are handed on together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Event>,
    pub(crate) file: String,
    keys: Vec<u8>,
}

impl Batch {
    /// The beginning of the key.
    pub(crate) fn key(&self, event: &Event) -> &[u8] {
        let (begin, len) = event.key;
        self.keys.get(begin as usize..begin as usize + usize::from(len)).unwrap_or_default()
    }
}

/// What reading the logs came to.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) lines: u64,
    /// Lines that only name columns, comments and empty lines.
    pub(crate) headings: u64,
    pub(crate) complaints: Complaints,
}

/// Whether a `log_format` can be read.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn check_format(format: &str, wanted: &Wanted) -> Result<(), String> {
    Pattern::compile(format, wanted).map(|_| ())
}

/// Reads all files, in this order, and hands on what they have. Ends early when nobody takes it any more.
///
/// # Errors
/// A file that cannot be opened or read; one whose compression is damaged is a complaint instead.
pub(crate) fn read_all(
    files: &[PathBuf],
    reading: &Reading,
    batches: &SyncSender<Batch>,
) -> Result<Read, (PathBuf, io::Error)> {
    let mut reader = Reader::new(reading);
    for path in files {
        reader.file(path, batches).map_err(|error| (path.clone(), error))?;
    }
    Ok(reader.read)
}

struct Reader<'a> {
    reading: &'a Reading,
    times: Times,
    fields: Fields,
    key: Vec<u8>,
    read: Read,
}

impl<'a> Reader<'a> {
    fn new(reading: &'a Reading) -> Self {
        Self {
            reading,
            times: Times::default(),
            fields: Fields::default(),
            key: Vec::new(),
            read: Read::default(),
        }
    }

    fn file(&mut self, path: &Path, batches: &SyncSender<Batch>) -> io::Result<()> {
        let name =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let mut lines = Lines::open(path, &self.reading.bytes_read)?;
        let wanted = &self.reading.wanted;
        let mut parser = self
            .reading
            .log_format
            .as_ref()
            .and_then(|format| Pattern::compile(format, wanted).ok())
            .map(Parser::Pattern);
        let (mut line, mut number) = (Vec::new(), 0);
        let mut batch = Batch { file: name.clone(), ..Batch::default() };
        loop {
            let next = match lines.next(&mut line) {
                Ok(next) => next,
                // What is no file of this compression, or no whole one.
                Err(error) if is_damage(&error) => {
                    self.read.complaints.add(Bad::Truncated, &name, number, error.to_string().as_bytes());
                    break;
                }
                Err(error) => return Err(error),
            };
            if next == Next::End {
                break;
            }
            number += 1;
            self.read.lines += 1;
            if next == Next::TooLong {
                self.read.complaints.add(Bad::TooLong, &name, number, &line);
                continue;
            }
            if line.iter().all(u8::is_ascii_whitespace) || line.first() == Some(&b'#') {
                self.read.headings += 1;
                continue;
            }
            if parser.is_none() {
                let (found, is_heading) = Parser::detect(&line, wanted);
                parser = Some(found);
                if is_heading {
                    self.read.headings += 1;
                    continue;
                }
            }
            let Some(parser) = &parser else { continue };
            match self.line(parser, &line, &mut batch, (&name, number)) {
                Ok(event) => batch.events.push(event),
                Err(bad) => self.read.complaints.add(bad, &name, number, &line),
            }
            if batch.events.len() == BATCH {
                let full = std::mem::replace(&mut batch, Batch { file: name.clone(), ..Batch::default() });
                if batches.send(full).is_err() {
                    return Ok(());
                }
                batch.events.reserve_exact(BATCH);
            }
        }
        // Nobody takes it: whoever did has said why.
        let _ = batches.send(batch);
        Ok(())
    }

    fn line(
        &mut self,
        parser: &Parser,
        line: &[u8],
        batch: &mut Batch,
        (name, number_of_line): (&str, u64),
    ) -> Result<Event, Bad> {
        let Reading { wanted, template, post, .. } = self.reading;
        parser.read(line, wanted, &mut self.fields)?;
        let fields = &self.fields;
        let complaints = &mut self.read.complaints;
        let time = fields.get(Role::Time).and_then(|text| self.times.read(text)).ok_or(Bad::Time)?;
        let ready = fields.get(Role::Key).filter(|_| template.is_none());
        let observed = Observed::of(fields);
        let method = fields.get(Role::Method).unwrap_or_default();
        let request = match (Request::of(fields), ready, observed) {
            (Some(request), _, _) => request,
            (None, _, Some(observed)) => Request { method, target: observed.targets },
            (None, Some(key), None) => Request { method, target: key },
            (None, None, None) => return Err(Bad::Target),
        };
        self.key.clear();
        let is_whole = match (template, observed) {
            (Some(template), _) => template.write(&request, fields, &mut self.key),
            (None, Some(observed)) => {
                // For people, what it is about comes first.
                for part in [observed.targets, b" ", observed.run, b":", observed.key] {
                    self.key.extend_from_slice(part);
                }
                true
            }
            (None, None) => {
                self.key.extend_from_slice(ready.unwrap_or(request.target));
                true
            }
        };
        if !is_whole {
            complaints.add(Bad::KeyPart, name, number_of_line, line);
        }
        let bytes = match fields.get(Role::Bytes).map(number) {
            None => 0,
            Some(Some(bytes)) => u32::try_from(bytes).unwrap_or(u32::MAX),
            Some(None) => {
                complaints.add(Bad::Size, name, number_of_line, line);
                0
            }
        };
        let micros = match fields.get(Role::Took) {
            None => None,
            Some(text) => micros(text, fields.micros_in_took).or_else(|| {
                complaints.add(Bad::Duration, name, number_of_line, line);
                None
            }),
        };
        let (kind, path) = match (observed, request.kind(*post)) {
            (Some(observed), _) => (observed.kind, observed.path),
            (None, Kind::ReadOfBody) if ready.is_some() || self.knows_bodies() => {
                (Kind::Read, xxh3_64(request.path()))
            }
            (None, kind) => (kind, xxh3_64(request.path())),
        };
        let begin = u32::try_from(batch.keys.len()).unwrap_or(u32::MAX);
        let shown = &self.key[..self.key.len().min(SHOWN_KEY)];
        batch.keys.extend_from_slice(shown);
        Ok(Event {
            time,
            kind,
            hash: xxh3_64(&self.key),
            path,
            bytes,
            micros,
            is_storable: fields.get(Role::Status).is_none_or(|status| status.first() != Some(&b'5')),
            key: (begin, u16::try_from(shown.len()).unwrap_or(0)),
            line: number_of_line,
        })
    }

    fn knows_bodies(&self) -> bool {
        self.reading.template.as_ref().is_some_and(|template| template.knows_bodies(&self.reading.wanted))
    }
}

/// Seconds or milliseconds to microseconds. nginx writes one figure for each server that it asked, between commas and colons.
fn micros(text: &[u8], unit: f64) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let mut sum = 0.0;
    for figure in text.split([',', ':']).map(str::trim).filter(|figure| !figure.is_empty() && *figure != "-")
    {
        let figure: f64 = figure.parse().ok()?;
        if !(figure.is_finite() && figure >= 0.0) {
            return None;
        }
        sum += figure * unit;
    }
    // A float that is too large becomes the largest number.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    Some(sum.round() as u32)
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_several_servers() {
        assert_eq!(micros(b"0.010, 0.020 : 0.003", 1e6), Some(33_000));
        assert_eq!(micros(b"-, 1.5", 1e3), Some(1500));
        assert_eq!(micros(b"1e99", 1e6), Some(u32::MAX));
        for broken in [&b"x"[..], b"-1", b"NaN", b"inf", b"\xff"] {
            assert_eq!(micros(broken, 1e6), None);
        }
    }
}
