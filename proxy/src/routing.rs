//! Which route a request takes: the first that fits, of those with a host before those without, and of longer paths before
//! shorter ones.

use http::uri::Authority;

/// Whose requests, by host and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    host: Option<String>,
    path: String,
}

impl Match {
    /// Of this host, or of any; with paths that begin so.
    pub(crate) fn new(host: Option<&str>, path: &str) -> Self {
        Self { host: host.map(str::to_ascii_lowercase), path: path.to_owned() }
    }

    /// Whether it fits. A prefix ends where a segment ends: `/a` is not for `/ab`.
    pub(crate) fn fits(&self, authority: &Authority, path: &str) -> bool {
        let is_host = self.host.as_ref().is_none_or(|host| authority.host().eq_ignore_ascii_case(host));
        is_host
            && path
                .strip_prefix(&*self.path)
                .is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'))
    }
}

/// Routes in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Routes<R>(Vec<(Match, R)>);

impl<R> Routes<R> {
    /// Puts them in order.
    pub(crate) fn new(routes: impl IntoIterator<Item = (Match, R)>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(found, _)| (found.host.is_none(), std::cmp::Reverse(found.path.len())));
        Self(routes)
    }

    /// The route of a request.
    pub(crate) fn find(&self, authority: &Authority, path: &str) -> Option<&R> {
        self.0.iter().find(|(found, _)| found.fits(authority, path)).map(|(_, route)| route)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &R> {
        self.0.iter().map(|(_, route)| route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_first() {
        let routes = Routes::new([
            (Match::new(None, "/"), "all"),
            (Match::new(None, "/a/b/c"), "long"),
            (Match::new(Some("H.example"), "/"), "host"),
            (Match::new(None, "/a"), "a"),
            (Match::new(Some("h.example"), "/a/"), "host a"),
        ]);
        for (host, path, expected) in [
            ("x", "/", "all"),
            ("x", "/ab", "all"),
            ("x", "/a", "a"),
            ("x", "/a/x", "a"),
            ("x", "/a/b/c/d", "long"),
            ("x", "/a/../b", "a"),
            ("h.example:80", "/a/b/c", "host a"),
            ("h.example", "/a", "host"),
        ] {
            assert_eq!(routes.find(&host.parse().unwrap(), path), Some(&expected), "{host}{path}");
        }
        assert_eq!(Routes::new([(Match::new(None, "/a"), ())]).find(&"x".parse().unwrap(), "/b"), None);
    }
}
