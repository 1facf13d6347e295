//! `larder plan`: what a cache would bring, from an access log.

mod by_ttl;
mod log;
mod overhead;
mod page;
mod report;
mod sim;
mod table;

use std::{path::PathBuf, sync::mpsc, thread};

use clap::Args;
use larder::settings::{ByteSize, Span};

use self::{
    log::{Batch, Complaints, Post, Read, Reading, Template, Wanted},
    report::Report,
};
pub(crate) use self::{
    log::{Event, Kind},
    sim::{Limits, MAX_TTL, Questions, Simulation, Timeline},
};
use crate::exit::{Failure, Outcome};

/// Batches that wait to be reckoned with.
const WAITING: usize = 8;

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
    /// Writes everything as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Reads the logs and shows what came of it.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let report = report(arguments)?;
    if let Some(path) = &arguments.html {
        std::fs::write(path, page::write(&report)).map_err(|error| {
            Failure::new(format!("{}: the page could not be written: {error}", path.display()))
        })?;
    }
    if arguments.json {
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
    let read = arguments.logs.each(|event, batch| {
        if let Some(bad) = sim.next(event, || batch.key(event)) {
            odd.add(bad, &batch.file, event.line, batch.key(event));
        }
    })?;
    sim.finish();
    let files = arguments.logs.logs.iter().map(|path| path.display().to_string()).collect();
    Ok(Report::new(files, &read, odd, &sim, &questions))
}

impl Logs {
    /// Hands every line that could be read to `take`, in the order of the logs, which another thread reads.
    pub(crate) fn each(&self, mut take: impl FnMut(&Event, &Batch)) -> Result<Read, Failure> {
        let mut wanted = Wanted::default();
        let template = self.key.as_deref().map(|text| Template::compile(text, &mut wanted)).transpose();
        let template = template.map_err(|why| Failure::new(format!("--key: {why}")))?;
        if let Some(format) = &self.log_format {
            log::check_format(format, &wanted).map_err(|why| Failure::new(format!("--log-format: {why}")))?;
        }
        let reading = Reading { wanted, template, log_format: self.log_format.clone(), post: self.post };
        let (sender, batches) = mpsc::sync_channel(WAITING);
        let read = thread::scope(|scope| {
            let (files, reading) = (&self.logs, &reading);
            let reader = scope.spawn(move || log::read_all(files, reading, &sender));
            for batch in batches {
                batch.events.iter().for_each(|event| take(event, &batch));
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
