//! The key of a read: everything that its answer depends on besides the data, and nothing that only says how it is computed.

use std::borrow::Cow;

use super::{
    Endpoint, ReadKind, Targets, classify,
    inspect::{self, Findings},
    order::order,
    path,
};
use crate::{
    canonical::{self, Digester},
    datemath::{Clock, UTC},
    json::{Fault, tape::Tape},
    query::{self, Parameters},
    request::{Life, NotKeyed, Request, Rules, add_header, add_principal, tag},
};

/// A request that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key.
    pub digest: [u8; 32],
    /// What kind of read it is: what [`storable`](super::storable) goes by.
    pub kind: ReadKind,
    /// What its answer depends on: the path's targets, and what the body reads besides.
    pub targets: Targets,
    /// It sees writes before a refresh.
    pub real_time: bool,
    /// How long its answer may be stored by what was asked.
    pub life: Life,
    /// Whether the body has a canonical form, so that other spellings of it have the same key.
    pub canonical: bool,
}

/// Parameters that say how an answer is to be computed, and not which.
pub(super) const COST_ONLY: &[&str] = &[
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "max_concurrent_searches",
    "pre_filter_shard_size",
    "ccs_minimize_roundtrips",
];

/// The key of a request that [`classify`](super::classify) calls a read.
///
/// # Errors
/// [`NotKeyed`] says why it passes.
///
/// ```
/// # use larder_http::{request::{Request, Rules}, search::key};
/// let ask = |body: &'static [u8]| Request {
///     method: "POST",
///     path: "/shop/_search",
///     query: None,
///     headers: &[("content-type", b"application/json")],
///     body,
///     client_certificate: None,
///     now: std::time::SystemTime::now(),
/// };
/// let rules = Rules::default();
/// let one = key(&ask(br#"{"size":1,"query":{"match":{"title":"caf\u00e9"}}}"#), &rules)?;
/// let other = key(&ask("{ \"query\": {\"match\": {\"title\": \"café\"}}, \"size\": 1 }".as_bytes()), &rules)?;
/// assert_eq!(one.digest, other.digest);
/// # Ok::<(), larder_http::request::NotKeyed>(())
/// ```
pub fn key(request: &Request<'_>, rules: &Rules) -> Result<Keyed, NotKeyed> {
    let Endpoint::Read { kind, targets, real_time } = classify(request.method, request.path, request.query)
    else {
        return Err(NotKeyed::NotARead);
    };
    let mut parameters = query::parse(request.query.unwrap_or_default()).ok_or(NotKeyed::Query)?;
    let body = body_of(request, &mut parameters);
    let frame = Frame::new(request, rules, kind, &parameters, body.content_type.as_deref())?;
    frame.finish(targets, real_time, &body.bytes, body.is_json)
}

struct Body<'a> {
    bytes: Cow<'a, [u8]>,
    /// From the parameters, if it came with them.
    content_type: Option<String>,
    is_json: bool,
}

/// The body, or what stands for it among the parameters.
fn body_of<'a>(request: &Request<'a>, parameters: &mut Parameters<'_>) -> Body<'a> {
    if request.body.is_empty()
        && let (Some(source), Some(content_type)) =
            (parameters.get("source"), parameters.get("source_content_type"))
    {
        let (bytes, content_type) = (source.as_bytes().to_vec(), content_type.to_owned());
        parameters.0.retain(|(name, _)| name != "source" && name != "source_content_type");
        let is_json = is_json(content_type.as_bytes());
        return Body { bytes: Cow::Owned(bytes), content_type: Some(content_type), is_json };
    }
    let is_json = request.headers("content-type").all(is_json);
    Body { bytes: Cow::Borrowed(request.body), content_type: None, is_json }
}

fn is_json(content_type: &[u8]) -> bool {
    content_type.to_ascii_lowercase().windows(4).any(|word| word == b"json")
}

/// All of a key but the body.
#[derive(Clone)]
pub(super) struct Frame<'a> {
    request: &'a Request<'a>,
    rules: &'a Rules,
    kind: ReadKind,
    digester: Digester,
    clock: Clock,
}

impl<'a> Frame<'a> {
    pub(super) fn new(
        request: &'a Request<'a>,
        rules: &'a Rules,
        kind: ReadKind,
        parameters: &Parameters<'_>,
        content_type: Option<&str>,
    ) -> Result<Self, NotKeyed> {
        if request.refuses_caches() {
            return Err(NotKeyed::ClientAsked);
        }
        let mut digester = Digester::new("search");
        digester.field(tag::SCOPE, rules.scope.as_bytes());
        digester.field(tag::KIND, format!("{kind:?}").as_bytes());
        for segment in path::segments(request.path).ok_or(NotKeyed::NotARead)? {
            digester.field(tag::SEGMENT, segment.text.as_bytes());
        }
        let clock = add_parameters(parameters, request, rules, &mut digester)?;
        add_header(request, "accept", &mut digester);
        match content_type {
            Some(content_type) => {
                digester.field(tag::HEADER, b"content-type");
                digester.field(tag::HEADER_VALUE, content_type.trim().as_bytes());
            }
            None => add_header(request, "content-type", &mut digester),
        }
        add_header(request, "x-elastic-product-origin", &mut digester);
        add_principal(request, rules, &mut digester)?;
        Ok(Self { request, rules, kind, digester, clock })
    }

    pub(super) fn digester(&mut self) -> &mut Digester {
        &mut self.digester
    }

    /// The key with this body.
    pub(super) fn finish(
        mut self,
        mut targets: Targets,
        real_time: bool,
        body: &[u8],
        is_json: bool,
    ) -> Result<Keyed, NotKeyed> {
        if body.len() > self.rules.limits.max_bytes {
            return Err(NotKeyed::TooLong);
        }
        let (findings, canonical) = self.add_body(body, is_json)?;
        targets.merge(&findings.targets);
        let now = self.request.now;
        let named = targets.date_math().iter().map(|name| inspect::clock_of_name(name, now));
        let clock = named.fold(self.clock.and(findings.clock), Clock::and);
        let life = Life::by(clock, self.rules.running_clock, now)?;
        Ok(Keyed { digest: self.digester.finish(), kind: self.kind, targets, real_time, life, canonical })
    }

    fn add_body(&mut self, body: &[u8], is_json: bool) -> Result<(Findings, bool), NotKeyed> {
        if body.trim_ascii().is_empty() {
            if matches!(self.kind, ReadKind::SearchTemplate | ReadKind::RenderTemplate) {
                // The template is stored on the server.
                let mut findings = Findings::none();
                findings.clock = Clock::Running;
                findings.targets.add_everything();
                return Ok((findings, true));
            }
            return Ok((Findings::none(), true));
        }
        if is_json {
            let read = Tape::read(body, self.rules.limits)
                .and_then(|tape| canonical::write_tape(&tape, order).map(|form| (tape, form)));
            match read {
                Ok((tape, form)) => {
                    self.digester.field(tag::CANONICAL_BODY, &form);
                    return Ok((inspect::inspect(&tape, self.kind, self.request.now)?, true));
                }
                Err(Fault::TooLong { .. }) => return Err(NotKeyed::TooLong),
                Err(Fault::TooDeep { .. }) => return Err(NotKeyed::TooDeep),
                Err(Fault::Syntax { .. } | Fault::LoneSurrogate | Fault::DuplicateName) => {}
            }
        }
        if inspect::may_be_anything(body) {
            return Err(NotKeyed::Unreadable);
        }
        self.digester.field(tag::RAW_BODY, body);
        let mut findings = Findings::none();
        findings.targets.add_everything();
        Ok((findings, false))
    }
}

/// Adds what counts of the parameters, and looks for what keeps an answer from being stored.
fn add_parameters(
    parameters: &Parameters<'_>,
    request: &Request<'_>,
    rules: &Rules,
    key: &mut Digester,
) -> Result<Clock, NotKeyed> {
    let mut clock = Clock::Still;
    let mut counted: Vec<(&str, &str)> = Vec::with_capacity(parameters.0.len());
    for (name, value) in &parameters.0 {
        match &**name {
            "scroll" | "pit" => return Err(NotKeyed::Stateful),
            "search_type" if value == "dfs_query_then_fetch" => return Err(NotKeyed::DfsQueryThenFetch),
            "request_cache" if value == "false" => return Err(NotKeyed::RequestCache),
            "profile" if value != "false" => return Err(NotKeyed::Profile),
            "wait_for_checkpoints" => return Err(NotKeyed::WaitForCheckpoints),
            "q" | "source" => clock = clock.and(inspect::clock_of(value, true, request.now, UTC)),
            _ => {}
        }
        let counts = !(COST_ONLY.contains(&&**name) || rules.ignore_preference && name == "preference");
        if counts {
            counted.push((name, value));
        }
    }
    // Values of one name stay in their order.
    counted.sort_by_key(|(name, _)| *name);
    for (name, value) in counted {
        key.field(tag::PARAMETER, name.as_bytes());
        key.field(tag::VALUE, value.as_bytes());
    }
    Ok(clock)
}
