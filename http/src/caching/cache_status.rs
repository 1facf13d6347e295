//! `Cache-Status` (RFC 9211): what a cache did with a request, for whoever reads the answer.

use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{KeyRef, ListSerializer, StringRef, TokenRef};

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went to the upstream (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The cache is not for such requests.
    Bypass,
    /// The cache is not for such a method.
    Method,
    /// Nothing is stored for the address.
    UriMiss,
    /// What is stored for the address is for other requests.
    VaryMiss,
    /// The client did not want what is stored.
    Request,
    /// What is stored is stale.
    Stale,
}

impl Forward {
    /// The token of RFC 9211.
    pub fn text(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

/// One cache's member of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStatus {
    /// The answer was stored.
    pub hit: bool,
    /// Why the upstream was asked, if it was.
    pub forward: Option<Forward>,
    /// What the upstream answered, where the client gets another status.
    pub forward_status: Option<u16>,
    /// For how many seconds the answer is still fresh; negative if it is stale.
    pub ttl: Option<i64>,
    /// Whether the answer was stored.
    pub stored: bool,
    /// Whether it is the answer to another client's request, for which this one has waited.
    pub collapsed: bool,
    /// What else there is to say, in a few words.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// Adds this cache, under its name, behind those that were nearer to the origin. A name or detail that is not ASCII is
    /// left out.
    ///
    /// ```
    /// # use http::HeaderMap;
    /// # use larder_http::caching::cache_status::{CACHE_STATUS, CacheStatus, Forward};
    /// let mut headers = HeaderMap::new();
    /// let mut status = CacheStatus::default();
    /// status.forward = Some(Forward::Stale);
    /// status.forward_status = Some(304);
    /// status.stored = true;
    /// status.append("larder", &mut headers);
    /// assert_eq!(headers[CACHE_STATUS], "larder;fwd=stale;fwd-status=304;stored");
    /// ```
    pub fn append(&self, name: &str, headers: &mut HeaderMap) {
        if let Some(value) = self.value(name) {
            headers.append(CACHE_STATUS, value);
        }
    }

    fn value(&self, name: &str) -> Option<HeaderValue> {
        let mut list = ListSerializer::new();
        let mut member = match TokenRef::from_str(name) {
            Ok(token) => list.bare_item(token),
            Err(_) => list.bare_item(StringRef::from_str(name).ok()?),
        };
        let key = |name: &'static str| KeyRef::from_str(name).ok();
        if self.hit {
            member = member.parameter(key("hit")?, true);
        }
        if let Some(forward) = self.forward {
            member = member.parameter(key("fwd")?, TokenRef::from_str(forward.text()).ok()?);
        }
        if let Some(status) = self.forward_status {
            member = member.parameter(key("fwd-status")?, sfv::Integer::try_from(i64::from(status)).ok()?);
        }
        if let Some(ttl) = self.ttl {
            member = member.parameter(key("ttl")?, sfv::Integer::try_from(ttl).ok()?);
        }
        for (set, name) in [(self.stored, "stored"), (self.collapsed, "collapsed")] {
            if set {
                member = member.parameter(key(name)?, true);
            }
        }
        if let Some(detail) = self.detail {
            member = match TokenRef::from_str(detail) {
                Ok(token) => member.parameter(key("detail")?, token),
                Err(_) => member.parameter(key("detail")?, StringRef::from_str(detail).ok()?),
            };
        }
        let _: &mut String = member.finish();
        HeaderValue::try_from(list.finish()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_at_once() {
        let status = CacheStatus {
            hit: true,
            forward: Some(Forward::UriMiss),
            forward_status: Some(200),
            ttl: Some(-3),
            stored: true,
            collapsed: true,
            detail: Some("no freshness"),
        };
        let expected =
            "\"a b\";hit;fwd=uri-miss;fwd-status=200;ttl=-3;stored;collapsed;detail=\"no freshness\"";
        assert_eq!(status.value("a b").unwrap(), expected);
        assert_eq!(CacheStatus { ttl: Some(i64::MAX), ..status }.value("x"), None);
        assert_eq!(status.value("\u{e9}"), None);
    }
}
