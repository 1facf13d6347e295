//! What the keys of all search engines have in common: the request as a proxy hands it over, the rules of its route, and who asks.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    canonical::{Digester, Limits},
    datemath::Clock,
};

/// A request, read to its end. What of it was compressed is decompressed.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// In capitals.
    pub method: &'a str,
    /// As it was sent, without the query string.
    pub path: &'a str,
    /// As it was sent, without the question mark.
    pub query: Option<&'a str>,
    /// All of them, in their order, in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Decoded by its `Content-Encoding`.
    pub body: &'a [u8],
    /// Something that identifies the certificate by which the client has shown who it is, if it has.
    pub client_certificate: Option<&'a [u8]>,
    /// The current time.
    pub now: SystemTime,
}

impl fmt::Debug for Request<'_> {
    /// Without headers and body, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    /// The values of all headers of that name, in their order.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// Whether the client wants an answer that comes from no cache.
    pub(crate) fn refuses_caches(&self) -> bool {
        let directives = ["cache-control", "pragma"].into_iter().flat_map(|name| self.headers(name));
        directives.flat_map(|value| value.split(|&byte| byte == b',')).any(|directive| {
            matches!(directive.trim_ascii().to_ascii_lowercase().as_slice(), b"no-store" | b"no-cache")
        })
    }
}

/// The rules of a route.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What keeps the keys of this route, and of its upstream, apart from those of others.
    pub scope: String,
    /// Whose answers are kept apart.
    pub principals: Principals,
    /// Headers that say who asks, besides the known ones, in any case.
    pub principal_headers: Vec<String>,
    /// What is done with questions whose answer changes all the time.
    pub running_clock: RunningClock,
    /// Whether `preference` is left out of keys: where it only spreads load, as sessions of Kibana do.
    pub ignore_preference: bool,
    /// How much of a body is looked at. A longer one passes.
    pub limits: Limits,
}

/// Whose answers are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Principals {
    /// Everybody's: who asks is part of the key. The default, since document-level security makes answers differ.
    #[default]
    Apart,
    /// Nobody's: all who may ask are given the same answer.
    Shared,
    /// A request that says who asks is not answered from the cache.
    Bypass,
}

/// What is done with a question such as `now-1h`, whose answer changes all the time, or one that the server completes by
/// what is not seen here (a stored script or template).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunningClock {
    /// It passes. The default.
    #[default]
    Bypass,
    /// Its answer is stored for no longer than this.
    Ttl(Duration),
    /// Its answer is stored up to the next whole multiple of this since 1970, at which all proxies ask anew.
    Round(Duration),
}

/// How long an answer may be stored by what the question was, before anything is known of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Life {
    /// No longer than this.
    pub at_most: Option<Duration>,
    /// No longer than up to this instant.
    pub until: Option<SystemTime>,
}

impl Life {
    /// What of a route's TTL is left of it at `now`.
    pub fn limit(&self, ttl: Duration, now: SystemTime) -> Duration {
        let ttl = self.at_most.map_or(ttl, |most| ttl.min(most));
        self.until.map_or(ttl, |until| ttl.min(until.duration_since(now).unwrap_or_default()))
    }

    pub(crate) fn by(clock: Clock, rule: RunningClock, now: SystemTime) -> Result<Self, NotKeyed> {
        match (clock, rule) {
            (Clock::Still, _) => Ok(Self::default()),
            (Clock::Until(until), _) => Ok(Self { at_most: None, until: Some(until) }),
            (Clock::Running, RunningClock::Bypass) => Err(NotKeyed::RunningClock),
            (Clock::Running, RunningClock::Ttl(ttl)) => Ok(Self { at_most: Some(ttl), until: None }),
            (Clock::Running, RunningClock::Round(slot)) => {
                let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
                let slot = slot.as_nanos();
                let next = since.checked_div(slot).map_or(0, |slots| (slots + 1) * slot);
                let next = u64::try_from(next).map_or(Duration::ZERO, Duration::from_nanos);
                Ok(Self { at_most: None, until: Some(UNIX_EPOCH + next) })
            }
        }
    }
}

/// Why a request has no key, so that it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotKeyed {
    /// It is not a read, or one that is to be taken apart first.
    NotARead,
    /// Its query string or form is not one, or has too many parameters.
    Query,
    /// Its body is longer than the route's limit.
    TooLong,
    /// Its body is nested more deeply than the route's limit.
    TooDeep,
    /// The client asked for no cache.
    ClientAsked,
    /// It says who asks, and the route's rule is not to keep such answers.
    Principal,
    /// A search context that is kept on the server: `scroll`, `pit`, `cursor`, an asynchronous search.
    Stateful,
    /// `search_type=dfs_query_then_fetch`.
    DfsQueryThenFetch,
    /// `profile`: the answer tells of its own making.
    Profile,
    /// `request_cache=false`.
    RequestCache,
    /// A random choice without a seed.
    Random,
    /// A script that calls a random generator or a clock.
    Script,
    /// `wait_for_checkpoints`.
    WaitForCheckpoints,
    /// `now` without rounding, or what may be it, and the route's rule is not to keep such answers.
    RunningClock,
    /// A body that cannot be read as JSON and contains words by which it might be any of these.
    Unreadable,
    /// It cannot be taken apart: a part of it has no fixed form, or the answer is asked for in one that cannot be put together.
    Inseparable,
}

impl NotKeyed {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotARead => "not a read",
            Self::Query => "its query string or form cannot be read",
            Self::TooLong => "its body is longer than the route's limit",
            Self::TooDeep => "its body is nested more deeply than the route's limit",
            Self::ClientAsked => "the client asked for no cache",
            Self::Principal => "it carries credentials, and the route does not cache such requests",
            Self::Stateful => "it uses a context that is kept on the server",
            Self::DfsQueryThenFetch => "search_type=dfs_query_then_fetch",
            Self::Profile => "it asks for a profile",
            Self::RequestCache => "request_cache=false",
            Self::Random => "it chooses randomly, without a seed",
            Self::Script => "a script uses a random generator or a clock",
            Self::WaitForCheckpoints => "it waits for checkpoints",
            Self::RunningClock => "it depends on the current time without rounding",
            Self::Unreadable => "its body is not strict JSON and cannot be checked",
            Self::Inseparable => "it cannot be taken apart",
        }
    }
}

impl fmt::Display for NotKeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for NotKeyed {}

/// Headers that say who asks.
const PRINCIPAL: &[&str] = &[
    "authorization",
    "es-security-runas-user",
    "es-secondary-authorization",
    "securitytenant",
    "sgtenant",
    "x-proxy-user",
    "x-proxy-roles",
    "cookie",
];

/// What the fields of a key are.
pub(crate) mod tag {
    pub(crate) const SCOPE: u8 = 1;
    pub(crate) const KIND: u8 = 2;
    pub(crate) const SEGMENT: u8 = 3;
    pub(crate) const PARAMETER: u8 = 4;
    pub(crate) const VALUE: u8 = 5;
    pub(crate) const HEADER: u8 = 6;
    pub(crate) const HEADER_VALUE: u8 = 7;
    pub(crate) const PRINCIPAL: u8 = 8;
    pub(crate) const CERTIFICATE: u8 = 9;
    pub(crate) const CANONICAL_BODY: u8 = 10;
    pub(crate) const RAW_BODY: u8 = 11;
    pub(crate) const HEADER_LINE: u8 = 12;
    pub(crate) const RULE: u8 = 13;
}

/// Adds who asks to a key, by the route's rule, and the rule: what one rule has stored another one does not find, or nobody's
/// answer under the one would be anybody's under the other.
pub(crate) fn add_principal(
    request: &Request<'_>,
    rules: &Rules,
    key: &mut Digester,
) -> Result<(), NotKeyed> {
    let rule: &[u8] = match rules.principals {
        Principals::Shared => b"shared",
        Principals::Apart => b"apart",
        Principals::Bypass => b"bypass",
    };
    key.field(tag::RULE, rule);
    if rules.principals == Principals::Shared {
        return Ok(());
    }
    for name in &rules.principal_headers {
        key.field(tag::RULE, name.to_ascii_lowercase().as_bytes());
    }
    let extra = rules.principal_headers.iter().map(String::as_str);
    for name in PRINCIPAL.iter().copied().chain(extra) {
        for value in request.headers(name) {
            if rules.principals == Principals::Bypass {
                return Err(NotKeyed::Principal);
            }
            key.field(tag::PRINCIPAL, name.to_ascii_lowercase().as_bytes());
            key.field(tag::HEADER_VALUE, value);
        }
    }
    if let Some(certificate) = request.client_certificate {
        if rules.principals == Principals::Bypass {
            return Err(NotKeyed::Principal);
        }
        key.field(tag::CERTIFICATE, certificate);
    }
    Ok(())
}

/// Adds all values of a header to a key.
pub(crate) fn add_header(request: &Request<'_>, name: &str, key: &mut Digester) {
    for value in request.headers(name) {
        key.field(tag::HEADER, name.as_bytes());
        key.field(tag::HEADER_VALUE, value.trim_ascii());
    }
}
