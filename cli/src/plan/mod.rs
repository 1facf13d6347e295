//! `larder plan`: what a cache would bring, from an access log.

mod by_ttl;
mod log;
mod overhead;
pub(crate) mod page;
mod policy;
mod report;
mod sim;
mod table;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
};

use clap::Args;
use larder::settings::{ByteSize, Span};

use self::{
    log::{Batch, Complaints, Post, Read, Reading, Template, Wanted},
    policy::Recorded,
    report::{Policy, Report},
};
pub(crate) use self::{
    log::{EVERYTHING, Event, Kind},
    sim::{Limits, MAX_TTL, Questions, Simulation, Timeline},
};
use crate::{
    exit::{Failure, Outcome},
    progress::{Progress, share},
    screen::count,
};

/// Batches that wait to be reckoned with.
const WAITING: usize = 8;

/// What so many requests need is read from memory at once.
const AHEAD: usize = 64;

/// Which logs, and how they are read.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_field_names, reason = "as they are called outside")]
pub(crate) struct Logs {
    /// Access logs, oldest first; - is standard input. gzip and zstd are recognised, and so are the combined and the common format, JSON
    /// lines, and columns between tabs with a line of their names.
    #[arg(required = true, value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// How keys are made: text with $path, $args, $args{q,start}, $target, $method and ${FIELD} of the log. Without it: the field
    /// "key", and where there is none, the target.
    #[arg(long, value_name = "TEMPLATE")]
    key: Option<String>,
    /// The log_format of nginx that wrote the log, without its name.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What a POST is.
    #[arg(long, value_name = "WHAT", default_value = "auto")]
    post: Post,
}

/// What may be said to `larder plan`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    logs: Logs,
    /// TTLs, up to a week.
    #[arg(long, value_name = "SPANS", value_delimiter = ',', default_value = "10s,60s,5m,15m,1h,6h,1day")]
    ttl: Vec<Span>,
    /// Sizes, in entries.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        default_value = "10,100,500,1000,10000,100000"
    )]
    entries: Vec<u64>,
    /// Sizes, in bytes of values.
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_value = "1MiB,16MiB,128MiB,1GiB,8GiB")]
    size: Vec<ByteSize>,
    /// Up to so many requests, every key is looked at; beyond, a sample.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().exact_requests)]
    exact: u64,
    /// So many keys are looked at one by one; when there are more, a sample. 100 bytes each.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().exact_keys)]
    keys: usize,
    /// Writes a page with plots, which needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Reads the logs and shows what came of it.
pub(crate) fn run(arguments: &Arguments, json: bool) -> Result<Outcome, Failure> {
    let report = report(arguments)?;
    if let Some(path) = &arguments.html {
        crate::files::write_whole(path, page::write(&report).as_bytes())?;
    }
    if json {
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(format!("the report could not be written as JSON: {error}")))?;
        crate::screen::say(&text);
    } else {
        crate::screen::say(table::show(&report).trim_end());
    }
    if report.log.requests == 0 {
        return Err(Failure::new(
            "there is no request in the log that could be read; give its format with --log-format, or see the examples above",
        ));
    }
    Ok(Outcome::Done)
}

fn report(arguments: &Arguments) -> Result<Report, Failure> {
    let questions = questions(arguments)?;
    let mut sim = Simulation::new(&questions);
    let mut odd = Complaints::default();
    let mut recorded = Recorded::new(policy::MOST);
    let read = arguments.logs.each(|batch| {
        for some in batch.events.chunks(AHEAD) {
            sim.look_ahead(some);
            for event in some {
                recorded.add(event);
                if let Some(bad) = sim.next(event, || batch.key(event)) {
                    odd.add(bad, &batch.file, event.line, batch.key(event));
                }
            }
        }
    })?;
    sim.finish();
    let files = arguments.logs.logs.iter().map(|path| path.display().to_string()).collect();
    let mut report = Report::new(files, &read, odd, &sim, &questions);
    let sizes: Vec<(u64, f64)> = report.lru_entries.iter().map(|size| (size.size, size.hit_ratio)).collect();
    report.memory_entries = sizes
        .iter()
        .zip(recorded.ratios(&sizes)?)
        .filter_map(|((size, _), ratio)| Some(Policy { size: *size, hit_ratio: ratio? }))
        .collect();
    Ok(report)
}

impl Logs {
    /// Hands every line that could be read to `take`, many at once, in the order of the logs, which another thread reads.
    pub(crate) fn each(&self, mut take: impl FnMut(&Batch)) -> Result<Read, Failure> {
        let mut wanted = Wanted::default();
        let template = self.key.as_deref().map(|text| Template::compile(text, &mut wanted)).transpose();
        let template = template.map_err(|why| Failure::new(format!("--key: {why}")))?;
        if let Some(format) = &self.log_format {
            log::check_format(format, &wanted).map_err(|why| Failure::new(format!("--log-format: {why}")))?;
        }
        let reading = Reading {
            wanted,
            template,
            log_format: self.log_format.clone(),
            post: self.post,
            bytes_read: Arc::default(),
        };
        let (sender, batches) = mpsc::sync_channel(WAITING);
        let mut progress = Progress::new();
        let read = thread::scope(|scope| {
            let (files, reading) = (&self.logs, &reading);
            let reader = scope.spawn(move || log::read_all(files, reading, &sender));
            let mut lines = 0;
            for batch in batches {
                take(&batch);
                lines += batch.events.len() as u64;
                progress.at(|| self.how_far(reading.bytes_read.load(Ordering::Relaxed), lines));
            }
            reader.join()
        });
        read.map_err(|_| {
            Failure::new(
                "the reader of the log ended unexpectedly; this is an error of larder, please report it",
            )
        })?
        .map_err(|(path, error)| {
            Failure::new(format!("{}: the log could not be read: {error}", path.display()))
        })
    }
}

impl Logs {
    fn how_far(&self, read: u64, lines: u64) -> String {
        let all: Option<u64> = self
            .logs
            .iter()
            .map(|path| Some(std::fs::metadata(path).ok()?.len()).filter(|len| *len > 0))
            .sum();
        let share = all.map_or_else(String::new, |all| format!("{}, ", share(read, all)));
        format!("{share}{} requests", count(lines))
    }
}

fn questions(arguments: &Arguments) -> Result<Questions, Failure> {
    let mut ttls = Vec::new();
    for ttl in &arguments.ttl {
        let millis =
            u32::try_from(ttl.get().as_millis()).ok().filter(|millis| (1..=MAX_TTL).contains(millis));
        ttls.push(millis.ok_or_else(|| Failure::new(format!("--ttl: found {ttl}, expected 1ms to 7days")))?);
    }
    ttls.sort_unstable();
    ttls.dedup();
    if ttls.len() > 16 {
        return Err(Failure::new("--ttl: expected up to 16 of them"));
    }
    let limits = Limits::default();
    Ok(Questions {
        ttls,
        objects: arguments.entries.clone(),
        bytes: arguments.size.iter().map(|size| size.get()).collect(),
        limits: Limits {
            exact_requests: arguments.exact,
            exact_keys: arguments.keys,
            sampled_keys: limits.sampled_keys.min(arguments.keys),
        },
    })
}
