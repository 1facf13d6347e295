//! One line: what was asked, and what became of it.

use std::{
    borrow::Cow,
    fmt::Write as _,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use http::{
    HeaderName, HeaderValue, Method, Version,
    header::{HOST, REFERER, USER_AGENT},
    request::Parts,
};
use serde::Serialize;

/// The longest path and query in a line, and the longest of its other fields, in bytes.
const LONGEST_PATH: usize = 2048;
const LONGEST: usize = 512;

/// What is kept of a request until its line is written.
#[derive(Debug)]
pub(crate) struct Seen {
    at: SystemTime,
    client: Option<IpAddr>,
    method: Method,
    uri: http::Uri,
    version: Version,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) route: Option<&'a str>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    /// Hit, miss, pass, …
    pub(crate) cache: &'a str,
    pub(crate) detail: Option<&'a str>,
    pub(crate) key: Option<u64>,
    pub(crate) took: Duration,
    pub(crate) upstream: Duration,
}

impl Seen {
    /// Keeps what a line needs. Nothing is copied.
    pub(crate) fn new(parts: &Parts, client: Option<IpAddr>) -> Self {
        let field = |name: HeaderName| parts.headers.get(name).cloned();
        Self {
            at: SystemTime::now(),
            client,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            host: field(HOST),
            referer: field(REFERER),
            agent: field(USER_AGENT),
        }
    }

    /// Method, host and path: what the page calls a request.
    pub(crate) fn label(&self) -> String {
        let label = format!("{} {}{}", self.method, self.host(), self.uri.path());
        cut(&label, LONGEST).to_owned()
    }

    fn host(&self) -> Cow<'_, str> {
        match self.uri.authority() {
            // Without what some put before the `@`.
            Some(authority) => authority.as_str().rsplit('@').next().unwrap_or_default().into(),
            None => self.host.as_ref().map(text).unwrap_or_default(),
        }
    }

    fn path(&self, query: bool) -> &str {
        let path = match self.uri.path_and_query() {
            Some(path) if query => path.as_str(),
            _ => self.uri.path(),
        };
        cut(path, LONGEST_PATH)
    }

    /// Where the user came from, whose query string is one as well. What is secret goes first, and then what is too long: a half of a
    /// secret is not known for one.
    fn referer(&self, query: bool) -> Option<Cow<'_, str>> {
        let referer = text(self.referer.as_ref()?);
        let (before, after) = referer.split_at(referer.find(['?', '#']).unwrap_or(referer.len()));
        let authority = before.split_once("://").map_or(before, |(_, rest)| rest);
        // A password may hold any character, if somebody forgot to escape it.
        if after.contains('@') && authority.contains(':') {
            return Some("***".into());
        }
        let mut shown = larder::settings::redact_url(before);
        if query && after.starts_with('?') {
            shown.push_str("?***");
        }
        Some(cut(&shown, LONGEST).to_owned().into())
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn cut(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    let end = (0..=longest).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

#[derive(Serialize)]
struct Json<'a> {
    time: String,
    client: Option<IpAddr>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    protocol: &'static str,
    status: u16,
    bytes: u64,
    ms: f64,
    upstream_ms: f64,
    route: Option<&'a str>,
    cache: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
}

/// An object.
pub(super) fn json(seen: &Seen, answered: &Answered<'_>, query: bool) -> String {
    let host = seen.host();
    let agent = seen.agent.as_ref().map(text);
    let line = Json {
        time: humantime::format_rfc3339_millis(seen.at).to_string(),
        client: seen.client,
        method: cut(seen.method.as_str(), LONGEST),
        host: cut(&host, LONGEST),
        path: seen.path(query),
        protocol: protocol(seen.version),
        status: answered.status,
        bytes: answered.bytes,
        ms: milliseconds(answered.took),
        upstream_ms: milliseconds(answered.upstream),
        route: answered.route,
        cache: answered.cache,
        detail: answered.detail,
        key: answered.key.map(|key| format!("{key:016x}")),
        referer: seen.referer(query),
        agent: agent.as_deref().map(|agent| cut(agent, LONGEST)),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The combined format, with what the cache did and the seconds that it took at the end.
pub(super) fn combined(seen: &Seen, answered: &Answered<'_>, query: bool) -> String {
    let mut line = String::with_capacity(256);
    match seen.client {
        Some(client) => drop(write!(line, "{client}")),
        None => line.push('-'),
    }
    let _ = write!(line, " - - [{}] \"", date(seen.at));
    escape(&mut line, cut(seen.method.as_str(), LONGEST));
    line.push(' ');
    escape(&mut line, seen.path(query));
    let _ = write!(line, " {}\" {} {} \"", protocol(seen.version), answered.status, answered.bytes);
    escape(&mut line, seen.referer(query).as_deref().unwrap_or("-"));
    line.push_str("\" \"");
    escape(&mut line, cut(seen.agent.as_ref().map(text).as_deref().unwrap_or("-"), LONGEST));
    let _ = write!(line, "\" {} {:.6}", answered.cache, answered.took.as_secs_f64());
    line
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// `30/Nov/2026:20:01:30 +0000`.
fn date(at: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = humantime::format_rfc3339_seconds(at).to_string();
    let part = |from: usize, to: usize| date.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    format!("{}/{}/{}:{} +0000", part(8, 10), month.unwrap_or(&"Jan"), part(0, 4), part(11, 19))
}

/// What would end the field or the line, or is a control character, becomes `\xNN`.
fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if matches!(c, '"' | '\\') || c.is_control() {
            let _ = write!(line, "\\x{:02x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn seen(uri: &str, agent: &[u8]) -> Seen {
        let request = Request::get(uri)
            .header("host", "a.example:80")
            .header("authorization", "Basic hunter2")
            .header("cookie", "hunter2")
            .header("referer", "http://u:hunter2@b.example/from?q=hunter2")
            .header("user-agent", HeaderValue::from_bytes(agent).unwrap());
        let mut seen = Seen::new(&request.body(()).unwrap().into_parts().0, Some([127, 0, 0, 1].into()));
        seen.at = std::time::UNIX_EPOCH + Duration::from_millis(1_796_068_890_123);
        seen
    }

    const ANSWERED: Answered<'_> = Answered {
        route: Some("r"),
        status: 200,
        bytes: 7,
        cache: "hit",
        detail: None,
        key: Some(1),
        took: Duration::from_micros(1500),
        upstream: Duration::ZERO,
    };

    #[test]
    fn both_formats() {
        let seen = seen("/x?q=hunter2", b"curl/8");
        let object: serde_json::Value = serde_json::from_str(&json(&seen, &ANSWERED, false)).unwrap();
        assert_eq!(object["time"], "2026-11-30T20:01:30.123Z");
        assert_eq!((&object["path"], &object["host"]), (&"/x".into(), &"a.example:80".into()));
        assert_eq!((&object["ms"], &object["key"]), (&1.5.into(), &"0000000000000001".into()));
        assert_eq!(
            combined(&seen, &ANSWERED, false),
            "127.0.0.1 - - [30/Nov/2026:20:01:30 +0000] \"GET /x HTTP/1.1\" 200 7 \
             \"http://***@b.example/from\" \"curl/8\" hit 0.001500"
        );
        assert!(json(&seen, &ANSWERED, true).contains("/x?q=hunter2"));
    }

    #[test]
    fn nothing_secret_and_nothing_that_ends_a_line() {
        let seen = seen("/a%0a\"b", b"\"\\ \xff\xc3\xa9 x");
        for line in [json(&seen, &ANSWERED, false), combined(&seen, &ANSWERED, false)] {
            assert!(!line.contains("hunter2") && !line.contains('\n'), "{line}");
        }
        let combined = combined(&seen, &ANSWERED, false);
        assert_eq!(combined.matches('"').count(), 6, "{combined}");
        serde_json::from_str::<serde_json::Value>(&json(&seen, &ANSWERED, false)).unwrap();
    }

    #[test]
    fn a_referer_is_cut_after_its_secrets_are_gone() {
        let long = "hunter2".repeat(100);
        for referer in [
            format!("http://u:{long}@b.example/from"),
            "http://u:hunter2?x@b.example/from".to_owned(),
            "http://u:hunter2#x@b.example/from".to_owned(),
            "http://u:a/hunter2?x@b.example/from".to_owned(),
            "http://b.example/from?mail=a@hunter2".to_owned(),
            "http://b.example:80/from?mail=a@hunter2".to_owned(),
            "u:hunter2@b.example".to_owned(),
        ] {
            let request = Request::get("/x").header("referer", &referer);
            let seen = Seen::new(&request.body(()).unwrap().into_parts().0, None);
            for query in [false, true] {
                for line in [json(&seen, &ANSWERED, query), combined(&seen, &ANSWERED, query)] {
                    assert!(!line.contains("hunter"), "{referer}: {line}");
                }
            }
        }
        let request = Request::get("/x").header("referer", "http://b.example/from?mail=a@b");
        let seen = Seen::new(&request.body(()).unwrap().into_parts().0, None);
        assert!(combined(&seen, &ANSWERED, false).contains("\"http://b.example/from\""));
    }

    #[test]
    fn lines_are_bounded() {
        let seen = seen(&format!("/{}", "x".repeat(50_000)), &vec![b'a'; 50_000]);
        for line in [json(&seen, &ANSWERED, true), combined(&seen, &ANSWERED, true)] {
            assert!(line.len() < 4096, "{}", line.len());
        }
    }
}
