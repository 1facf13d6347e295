//! `--compare`: whether the cache is worth it, measured on this machine, with these sources, in the configured store.
//!
//! Each query is answered without a cache, then with an empty one, then with a full one, in turn and many times over,
//! so that whatever else the machine does meets all three alike.

mod memory;
mod samples;
mod table;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use larder::{Key, cache::Status};

use self::{samples::Samples, table::Report};
use crate::{
    Failed, caching,
    configuration::Setup,
    service::{Failure, Outcome, PopularRequest, SearchRequest, Service},
};

/// What is searched: rare and common words, words beside each other, one organisation and all.
const QUERIES: [(&str, Option<&str>); 10] = [
    ("mutex", None),
    ("tokio spawn", None),
    ("std::fmt", None),
    ("\"impl Future for\"", None),
    ("unsafe impl Send", None),
    ("deserialize error", None),
    ("hash map entry", None),
    ("Vec<u8>", None),
    ("async fn poll", Some("tokio")),
    ("get", None),
];

/// One line of the comparison: everything that was measured of one request.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// How many documents there are; `None` where that makes no sense.
    pub(crate) found: Option<usize>,
    /// The part of a search that always runs.
    pub(crate) ids: Samples,
    /// Without a cache, as JSON.
    pub(crate) without: Samples,
    /// Without a cache, compressed.
    pub(crate) compressed: Samples,
    /// With a cache that does not have it.
    pub(crate) miss: Samples,
    /// With a cache that has it.
    pub(crate) hit: Samples,
    /// Answers that should have been in the cache and were not, since the store failed.
    pub(crate) failed: usize,
    /// The length of the answer as JSON, and as the cache has it.
    pub(crate) plain: usize,
    pub(crate) stored: usize,
}

/// Measures and prints.
pub(crate) async fn compare(service: &Service, setup: &Setup, runs: u32) -> Result<(), Failed> {
    let mut searches = Vec::new();
    for (q, org) in QUERIES {
        let request = SearchRequest::new(service.engine(), q.to_owned(), org.map(str::to_owned), None, None)?;
        let (key, found) = service.search_key(request.clone()).await?;
        if found > 0 {
            let name = org.map_or_else(|| q.to_owned(), |org| format!("{q} (in {org})"));
            searches.push((request, key, Row { name, found: Some(found), ..Row::default() }));
        }
    }
    if searches.is_empty() {
        return Err("none of the queries finds anything in these sources".into());
    }
    let page = PopularRequest::new(Some("us".to_owned()), None)?;
    let mut popular = Row { name: "/popular?region=us".to_owned(), ..Row::default() };

    for run in 0..runs {
        for (request, key, row) in &mut searches {
            row.run(Search { service, request, key }).await?;
        }
        // It takes as long as all the others together.
        if run % 5 == 0 {
            popular.run(Popular { service, request: &page, key: &caching::popular_key(&page) }).await?;
        }
    }

    let rows: Vec<Row> = searches.into_iter().map(|(_, _, row)| row).collect();
    let growth = memory::of_entries(service).await?;
    let report = Report { rows: &rows, popular: &popular, store: &setup.search, runs, growth };
    print!("{report}");
    Ok(())
}

/// What can be measured: a request, with a cache and without.
trait Subject {
    async fn without_cache(&self) -> Result<Bytes, Failure>;
    async fn with_cache(&self) -> Result<Outcome, Failure>;
    async fn forget(&self);
}

impl Row {
    async fn run(&mut self, subject: impl Subject) -> Result<(), Failure> {
        let begun = Instant::now();
        let plain = subject.without_cache().await?;
        let took = begun.elapsed();
        self.without.add(took);
        self.plain = plain.len();
        let begun = Instant::now();
        gzip(&plain);
        self.compressed.add(took + begun.elapsed());

        subject.forget().await;
        let begun = Instant::now();
        let outcome = subject.with_cache().await?;
        self.miss.add(begun.elapsed());
        self.failed += usize::from(outcome.served.status != Some(Status::Loaded));

        let begun = Instant::now();
        let outcome = subject.with_cache().await?;
        self.hit.add(begun.elapsed());
        self.failed += usize::from(outcome.served.status != Some(Status::Hit));
        self.ids.add(outcome.ids_took);
        self.stored = outcome.served.stored;
        Ok(())
    }
}

struct Search<'a> {
    service: &'a Service,
    request: &'a SearchRequest,
    key: &'a Key,
}

impl Subject for Search<'_> {
    async fn without_cache(&self) -> Result<Bytes, Failure> {
        self.service.search_without_cache(self.request.clone()).await
    }

    async fn with_cache(&self) -> Result<Outcome, Failure> {
        self.service.search(self.request.clone(), &|_| true).await
    }

    async fn forget(&self) {
        // A store that cannot delete shows in the status of the answer.
        let _ = self.service.search.cache.delete(self.key).await;
    }
}

struct Popular<'a> {
    service: &'a Service,
    request: &'a PopularRequest,
    key: &'a Key,
}

impl Subject for Popular<'_> {
    async fn without_cache(&self) -> Result<Bytes, Failure> {
        self.service.popular_without_cache(self.request).await
    }

    async fn with_cache(&self) -> Result<Outcome, Failure> {
        self.service.popular(self.request.clone(), &|_| true).await
    }

    async fn forget(&self) {
        let _ = self.service.popular.cache.delete(self.key).await;
    }
}

/// What a service without a cache does for clients that take gzip.
fn gzip(plain: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(plain);
    encoder.finish().map_or(0, |bytes| bytes.len())
}

/// A time in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
