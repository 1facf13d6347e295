//! Settings that contradict each other, and those that their store cannot do.

use std::time::Duration;

use larder_core::{
    Ttl,
    backend::Capabilities,
    settings::{ByteSize, Span},
};

use crate::{
    config::{Origin, quoted},
    model::{Bound, Life, Policy, Sliding},
};

const LONGER: [&str; 2] = ["longer than", "shorter than"];
const SHORTER: [&str; 2] = ["shorter than", "longer than"];

/// One setting that makes no sense, or two that make none together.
pub(super) struct Conflict {
    /// The settings; the one that should be changed first.
    pub(super) keys: Vec<&'static str>,
    values: Vec<String>,
    /// What each is to the other.
    relations: [&'static str; 2],
    /// What it leads to, and what to do.
    so: String,
}

impl Conflict {
    fn between(
        (key, value): (&'static str, Duration),
        relations: [&'static str; 2],
        (other, than): (&'static str, Duration),
        so: &str,
    ) -> Self {
        let values = [value, than].map(|value| Span(value).to_string()).to_vec();
        Self { keys: vec![key, other], values, relations, so: so.to_owned() }
    }

    fn of(key: &'static str, value: String, so: &str) -> Self {
        Self { keys: vec![key], values: vec![value], relations: [""; 2], so: so.to_owned() }
    }

    /// In words, at one of the settings.
    pub(super) fn describe(&self, at: &str, origin: impl Fn(&str) -> Option<Origin>) -> String {
        let position = self.keys.iter().position(|key| *key == at).unwrap_or(0);
        let Some(other) = self.keys.get(1 - position) else {
            return format!("found {}; {}", self.values[0], self.so);
        };
        let (value, than) = (&self.values[position], &self.values[1 - position]);
        let relation = self.relations[position];
        let from = origin(other).map_or_else(String::new, |origin| format!(" ({origin})"));
        format!("{value} is {relation} {other}, which is {than}{from}; {}", self.so)
    }
}

/// What contradicts itself whatever the store: errors.
pub(super) fn of(policy: &Policy) -> Vec<Conflict> {
    let mut all = Vec::new();
    let ttl = match policy.ttl.0 {
        Ttl::After(ttl) => Some(ttl),
        Ttl::Never => None,
    };
    if ttl.is_some_and(|ttl| ttl.is_zero()) {
        let so = "nothing would be kept; to switch a cache off, give it a store of the backend \"null\"";
        return vec![Conflict::of("ttl", "\"0s\"".to_owned(), so)];
    }
    if let (Bound(Some(soft)), Bound(Some(hard))) = (policy.soft_deadline, policy.hard_deadline)
        && soft > hard
    {
        let so = "a caller gives up before it would take the stale value; make soft_deadline the shorter one";
        all.push(Conflict::between(("soft_deadline", soft), LONGER, ("hard_deadline", hard), so));
    }
    if let (Sliding(Some(Life(Ttl::After(oldest)))), Some(ttl)) = (policy.sliding, ttl)
        && oldest < ttl
    {
        let so = "no read would extend anything; sliding is the greatest age, so make it longer than ttl";
        all.push(Conflict::between(("sliding", oldest), SHORTER, ("ttl", ttl), so));
    }
    if let (Bound(Some(lease)), Some(ttl)) = (policy.lease, ttl)
        && lease > ttl
    {
        let so = "a process that ends while it loads would block the key for longer than its value is kept; \
                  make it about as long as most loads take";
        all.push(Conflict::between(("lease", lease), LONGER, ("ttl", ttl), so));
    }
    all
}

/// What is accepted and has no effect, or another one than it seems: advice.
pub(super) fn with_store(policy: &Policy, store: &str, capabilities: &Capabilities) -> Vec<Conflict> {
    let mut all = Vec::new();
    let store = quoted(store);
    let nothing_stale =
        policy.stale_while_revalidate.get().is_zero() && policy.stale_if_error.get().is_zero();
    if let Bound(Some(lease)) = policy.lease
        && !capabilities.shared
    {
        let so = format!(
            "no other process uses the store {store}, so the lease only costs time; leave it out, or set it where \
             the store is shared"
        );
        all.push(Conflict::of("lease", format!("{:?}", Span(lease).to_string()), &so));
    }
    if let Some(most) = capabilities.max_value.filter(|most| *most < policy.max_value.get()) {
        let so = format!(
            "the store {store} refuses more than {}, so values between the two are loaded each time; lower it",
            ByteSize(most)
        );
        all.push(Conflict::of("max_value", policy.max_value.to_string(), &so));
    }
    if let (Bound(Some(soft)), true) = (policy.soft_deadline, nothing_stale) {
        let so = "there is never a stale value to serve instead; set stale_while_revalidate or stale_if_error, \
                  or use hard_deadline";
        all.push(Conflict::of("soft_deadline", format!("{:?}", Span(soft).to_string()), so));
    }
    if policy.ttl.0 == Ttl::Never {
        for (key, window) in [
            ("stale_while_revalidate", policy.stale_while_revalidate),
            ("stale_if_error", policy.stale_if_error),
        ] {
            if !window.get().is_zero() {
                let so = "the TTL is \"never\", so nothing ever becomes stale; give the cache a TTL or leave it out";
                all.push(Conflict::of(key, format!("{:?}", window.to_string()), so));
            }
        }
    }
    if let (Bound(Some(hard)), Bound(Some(limit))) = (policy.hard_deadline, policy.load_limit)
        && hard > limit
    {
        let so = "the loader is given up first, so hard_deadline has no effect";
        all.push(Conflict::between(("hard_deadline", hard), LONGER, ("load_limit", limit), so));
    }
    if policy.codec != crate::model::NONE && policy.compress_above >= policy.max_value {
        let so = "no value is both large enough to be compressed and small enough for max_value; lower it, or set \
                  codec = \"none\"";
        all.push(Conflict::of("compress_above", policy.compress_above.to_string(), so));
    }
    all
}
