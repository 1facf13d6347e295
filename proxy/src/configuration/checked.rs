//! What the sections cannot say by their types: names that must exist, addresses that must be some.

use std::{fmt, time::Duration};

use http::{HeaderName, Uri, uri::Authority};
use larder_http::caching::Rules;

use super::{
    AccessLogSection, Configuration, HealthSection, ModeName, ProxySection, RouteSection, UpstreamSection,
};

/// A shorter one could be guessed.
const SHORTEST_TOKEN: usize = 16;
/// More often would be a load of its own.
const SHORTEST_POLL: Duration = Duration::from_millis(100);
/// More lines of a log are not kept in memory.
const LONGEST_QUEUE: usize = 1 << 20;

/// What is wrong with a value, at which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The key, such as `routes.shop.upstream`.
    pub key: String,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl std::error::Error for Wrong {}

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In plain text.
    Http,
    /// By TLS.
    Https,
}

/// One address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is checked of sections.
pub(crate) trait Checked {
    /// What they come to.
    type Into;

    /// Checks them. `key` is where they stand.
    ///
    /// # Errors
    /// The first that is wrong.
    fn checked(&self, key: &str) -> Result<Self::Into, Wrong>;
}

impl Checked for UpstreamSection {
    type Into = (Scheme, Vec<Address>);

    fn checked(&self, key: &str) -> Result<Self::Into, Wrong> {
        let wrong = |why: String| Wrong { key: format!("{key}.addresses"), why };
        let mut scheme = None;
        let mut addresses = Vec::new();
        for text in &self.addresses {
            let (theirs, address) = address(text).map_err(|why| wrong(format!("{text:?} {why}")))?;
            if *scheme.get_or_insert(theirs) != theirs {
                return Err(wrong("has both http and https; make two upstreams of it".to_owned()));
            }
            addresses.push(address);
        }
        let Some(scheme) = scheme else {
            return Err(wrong("is empty; name at least one, such as \"http://127.0.0.1:9200\"".to_owned()));
        };
        if scheme == Scheme::Http && self.ca_file.is_some() {
            return Err(Wrong {
                key: format!("{key}.ca_file"),
                why: "is for addresses with https, and these have http".to_owned(),
            });
        }
        if let Some(health) = &self.health {
            health.checked(&format!("{key}.health"))?;
        }
        if let Some(host) = &self.host
            && host.parse::<Authority>().is_err()
        {
            let why = format!("{host:?} is no host, such as \"search.internal\" or \"search.internal:9200\"");
            return Err(Wrong { key: format!("{key}.host"), why });
        }
        Ok((scheme, addresses))
    }
}

fn address(text: &str) -> Result<(Scheme, Address), &'static str> {
    const LIKE: &str = "is no address, such as \"http://127.0.0.1:9200\"";
    let uri: Uri = text.parse().map_err(|_| LIKE)?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(LIKE),
    };
    if uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err("has a path; an upstream is asked for the path that the client sent");
    }
    let authority = uri.authority().ok_or(LIKE)?;
    if authority.as_str().contains('@') {
        return Err("has a user; clients bring their own credentials");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let default = if scheme == Scheme::Http { 80 } else { 443 };
    Ok((scheme, Address { host, port: authority.port_u16().unwrap_or(default) }))
}

impl Checked for HealthSection {
    type Into = ();

    fn checked(&self, key: &str) -> Result<(), Wrong> {
        let wrong = |setting: &str, why: &str| Wrong { key: format!("{key}.{setting}"), why: why.to_owned() };
        if !self.path.starts_with('/') || self.path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(wrong("path", "is no path; it begins with /, such as \"/_cluster/health\""));
        }
        if self.interval.get().is_zero() {
            return Err(wrong("interval", "must be greater than zero, such as \"5s\""));
        }
        if self.timeout.get().is_zero() {
            return Err(wrong("timeout", "must be greater than zero, such as \"2s\""));
        }
        if self.failures == 0 {
            return Err(wrong("failures", "must be 1 or more"));
        }
        Ok(())
    }
}

impl Checked for ProxySection {
    type Into = ();

    fn checked(&self, key: &str) -> Result<(), Wrong> {
        let is_short = |token: &larder::settings::Secret| token.expose().len() < SHORTEST_TOKEN;
        if self.admin_token.as_ref().is_some_and(is_short) {
            let why = format!("is too short; use {SHORTEST_TOKEN} characters or more, at random");
            return Err(Wrong { key: format!("{key}.admin_token"), why });
        }
        self.access_log.as_ref().map_or(Ok(()), |log| log.checked(&format!("{key}.access_log")))
    }
}

impl Checked for AccessLogSection {
    type Into = ();

    fn checked(&self, key: &str) -> Result<(), Wrong> {
        check_queue(self.queue, key)
    }
}

fn check_queue(queue: usize, key: &str) -> Result<(), Wrong> {
    if (1..=LONGEST_QUEUE).contains(&queue) {
        return Ok(());
    }
    Err(Wrong { key: format!("{key}.queue"), why: format!("must be from 1 to {LONGEST_QUEUE}") })
}

impl Checked for RouteSection {
    type Into = Rules;

    fn checked(&self, key: &str) -> Result<Rules, Wrong> {
        let wrong = |setting: &str, why: String| Wrong { key: format!("{key}.{setting}"), why };
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            let why = format!("{:?} is no path; it begins with / and has no query", self.path);
            return Err(wrong("path", why));
        }
        if let Some(host) = &self.host
            && (host.parse::<Authority>().is_err() || host.contains('@') || has_port(host))
        {
            return Err(wrong(
                "host",
                format!("{host:?} is no host without a port, such as \"shop.example\""),
            ));
        }
        match (&self.observe, self.mode) {
            (None, ModeName::Observe) => {
                let why = "is needed in mode observe: name a file for what is observed";
                return Err(wrong("observe.file", why.to_owned()));
            }
            (Some(observe), ModeName::Observe) => check_queue(observe.queue, &format!("{key}.observe"))?,
            (Some(_), _) => return Err(wrong("observe", "is for mode \"observe\" alone".to_owned())),
            (None, _) => {}
        }
        if self.heuristic.is_some_and(|fraction| !(fraction > 0.0 && fraction <= 1.0)) {
            return Err(wrong("heuristic", "must be above 0 and up to 1, such as 0.1".to_owned()));
        }
        if self.search.alias_map.is_some()
            && (self.mode != ModeName::SearchElasticsearch || !self.search.aliases)
        {
            let why = "is for mode search-elasticsearch with aliases = true; remove it";
            return Err(wrong("search.alias_map", why.to_owned()));
        }
        if let Some(poll) = self.search.poll {
            if self.mode != ModeName::SearchElasticsearch || !self.search.invalidation {
                let why = "is for mode search-elasticsearch with invalidation = true; remove it";
                return Err(wrong("search.poll", why.to_owned()));
            }
            if poll.get() < SHORTEST_POLL {
                return Err(wrong("search.poll", "must be 100 ms or more, such as \"1s\"".to_owned()));
            }
        }
        let mut rules = Rules::default();
        rules.heuristic = self.heuristic;
        rules.heed_clients = self.heed_clients;
        rules.stale_if_error = self.stale_if_error.get().as_secs();
        rules.targets.clear();
        for name in &self.targets {
            let name: Result<HeaderName, _> = name.parse();
            let field =
                name.map_err(|_| wrong("targets", "has a name that no header field can have".to_owned()))?;
            rules.targets.push(field);
        }
        Ok(rules)
    }
}

fn has_port(host: &str) -> bool {
    host.parse::<Authority>().is_ok_and(|authority| authority.port().is_some())
}

impl Configuration {
    /// Checks what one section says of another.
    ///
    /// # Errors
    /// The first that is wrong.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        self.proxy.checked("proxy")?;
        if self.routes.is_empty() {
            let why =
                "no route is configured; add [routes.NAME] with upstream = \"…\", or start with --upstream";
            return Err(Wrong { key: "routes".to_owned(), why: why.to_owned() });
        }
        for (name, upstream) in &self.upstreams {
            upstream.checked(&format!("upstreams.{name}"))?;
        }
        for (name, route) in &self.routes {
            route.checked(&format!("routes.{name}"))?;
            if !self.upstreams.contains_key(&route.upstream) {
                let known: Vec<_> = self.upstreams.keys().map(String::as_str).collect();
                let why =
                    format!("there is no upstream {:?}; there are: {}", route.upstream, known.join(", "));
                return Err(Wrong { key: format!("routes.{name}.upstream"), why });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |text: &str| address(text).map(|(scheme, address)| (scheme, address.host, address.port));
        assert_eq!(of("http://127.0.0.1:9200"), Ok((Scheme::Http, "127.0.0.1".to_owned(), 9200)));
        assert_eq!(of("https://[::1]/"), Ok((Scheme::Https, "::1".to_owned(), 443)));
        for wrong in ["127.0.0.1:9200", "ftp://a", "http://", "http://a/b", "http://u:p@a", "http://a?b", ""]
        {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
