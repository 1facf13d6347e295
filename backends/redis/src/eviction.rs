//! What the server does when its memory is full, as far as it says so.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a server that is full makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Eviction {
    /// It has not said, or has no limit, or does what a cache wants.
    Fine,
    /// It refuses writes.
    Refuses,
    /// It evicts at random, and the versions of tags and namespaces with it.
    AtRandom,
}

/// What the server said last, on the newest connection.
#[derive(Debug, Default)]
pub(crate) struct Noticed(AtomicU8);

impl Noticed {
    /// Reads what `INFO memory` says. Logs what is not as a cache wants it, once until it changes.
    pub(crate) fn note(&self, server: &str, info: &str) {
        let now = read(info);
        let before = self.0.swap(now as u8, Ordering::Relaxed);
        if let Some(advice) = advice(now).filter(|_| before != now as u8) {
            tracing::warn!(server, "{advice}");
        }
    }

    /// What an operator should change.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let all = [Eviction::Fine, Eviction::Refuses, Eviction::AtRandom];
        all.into_iter().find(|one| *one as u8 == self.0.load(Ordering::Relaxed)).and_then(advice)
    }
}

fn read(info: &str) -> Eviction {
    let field = |name: &str| {
        info.lines().find_map(|line| {
            line.split_once(':').filter(|(key, _)| *key == name).map(|(_, value)| value.trim())
        })
    };
    let has_limit = field("maxmemory").is_some_and(|limit| limit != "0");
    match field("maxmemory_policy") {
        Some("noeviction") if has_limit => Eviction::Refuses,
        Some("allkeys-random" | "volatile-random") => Eviction::AtRandom,
        _ => Eviction::Fine,
    }
}

fn advice(eviction: Eviction) -> Option<&'static str> {
    match eviction {
        Eviction::Fine => None,
        Eviction::Refuses => Some(
            "the server's maxmemory-policy is noeviction, so it refuses writes when it is full, invalidations among them; set \
             it to allkeys-lfu or allkeys-lru",
        ),
        Eviction::AtRandom => Some(
            "the server's maxmemory-policy evicts at random, so the version of a tag or namespace can be evicted, and every \
             entry under it is lost with it; set it to allkeys-lfu or allkeys-lru",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_harms_a_cache_is_said() {
        let said = |info: &str| {
            let noticed = Noticed::default();
            noticed.note("test", info);
            noticed.advice().unwrap_or_default()
        };
        let with = |limit: &str, policy: &str| {
            format!("# Memory\r\nused_memory:1\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(said(&with("0", "noeviction")), "");
        assert_eq!(said(&with("1000", "allkeys-lru")), "");
        assert_eq!(said(""), "");
        assert!(said(&with("1000", "noeviction")).contains("refuses writes"));
        assert!(said(&with("0", "volatile-random")).contains("at random"));
        assert!(said(&with("1000", "allkeys-random")).contains("at random"));
    }

    #[test]
    fn the_newest_connection_counts() {
        let noticed = Noticed::default();
        noticed.note("test", "maxmemory_policy:allkeys-random\r\n");
        noticed.note("test", "maxmemory_policy:allkeys-lfu\r\n");
        assert_eq!(noticed.advice(), None);
    }
}
