//! Two stores, of which the second stands in for the first. In most cases the first answers, through everything that is around it.

use std::time::Duration;

use larder_conformance::{Store, Suite, Time};
use larder_core::{
    Backend, Clock,
    layer::{Breaker, BreakerSettings, Failover},
};
use larder_test_servers::RedisServer;

use super::{Subject, lazily::Lazily, redis};

/// How long the breaker of the first store stays open: the cases that are about an outage wait for it.
const OPEN_FOR: Duration = Duration::from_millis(300);

pub(super) fn subjects() -> Vec<Subject> {
    let (first, second) = (Lazily::new(RedisServer::start), Lazily::new(RedisServer::start));
    let about = "one Redis, and a second one that stands in for it";
    vec![Subject::new("failover-redis", about, |name| {
        Suite::new(name, move |clock| store(&first, &second, &clock)).time(Time::Real)
    })]
}

fn store(first: &Lazily<RedisServer>, second: &Lazily<RedisServer>, clock: &Clock) -> Store {
    let connect = |server: &Lazily<RedisServer>| redis::connect(server.get());
    let (one, other) = (first.clone(), second.clone());
    let store = Store::new(failover(connect(first), connect(second), clock)).with_failover(
        move |_| connect(&one),
        move |_| connect(&other),
        |first, second, clock| failover(first, second, &clock),
        OPEN_FOR,
    );
    let (one, other) = (first.clone(), second.clone());
    // What the first holds can be seen, and damaged.
    redis::with_hooks(store, first).with_peer(move |clock| failover(connect(&one), connect(&other), &clock))
}

fn failover<A: Backend, B: Backend>(first: A, second: B, clock: &Clock) -> Failover<A, B> {
    let settings = BreakerSettings::new().with_open_for(OPEN_FOR);
    Failover::new(Breaker::new(first, "first", settings, clock).unwrap(), second, clock).unwrap()
}
