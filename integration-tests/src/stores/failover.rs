//! Two stores, of which the second stands in for the first. In most cases the first answers, through everything that is around it.

use std::{sync::Arc, time::Duration};

use larder_conformance::{Store, Suite, Time};
use larder_core::{
    Backend, Clock,
    layer::{Breaker, BreakerSettings, Failover},
};
use larder_test_servers::RedisServer;

use super::{
    Subject,
    lazily::Lazily,
    memcached::{self, Servers},
    redis,
};

/// How long the breaker of the first store stays open: the cases that are about an outage wait for it.
const OPEN_FOR: Duration = Duration::from_millis(300);

pub(super) fn subjects() -> Vec<Subject> {
    let first = Lazily::new(RedisServer::start);
    let standby = Lazily::new(RedisServer::start);
    let memcached: Lazily<Servers> = Lazily::new(|| memcached::start(1));
    vec![
        Subject::new("failover-redis", "one Redis, and a second one that stands in for it", |name| {
            suite(name, &first, move || Arc::new(redis::connect(standby.get())))
        }),
        Subject::new("failover-memcached", "one Redis, and a Memcached that stands in for it", |name| {
            suite(name, &first, move || Arc::new(memcached::connect(memcached.get())))
        }),
    ]
}

fn suite(
    name: &str,
    first: &Lazily<RedisServer>,
    second: impl Fn() -> Arc<dyn Backend> + Clone + Send + Sync + 'static,
) -> Suite {
    let first = first.clone();
    let store = move |clock: Clock| {
        let (main, peer, standby, peers_standby) =
            (first.clone(), first.clone(), second.clone(), second.clone());
        let connect = |server: &Lazily<RedisServer>| Arc::new(redis::connect(server.get()));
        let store = Store::new(failover(connect(&first), second(), &clock)).with_failover(
            move |_| connect(&main),
            move |_| standby(),
            |first, second, clock| failover(first, second, &clock),
            OPEN_FOR,
        );
        // What the first holds can be seen, and damaged.
        redis::with_hooks(store, &first)
            .with_peer(move |clock| failover(connect(&peer), peers_standby(), &clock))
    };
    Suite::new(name, store).time(Time::Real)
}

fn failover<A: Backend, B: Backend>(first: A, second: B, clock: &Clock) -> Failover<A, B> {
    let settings = BreakerSettings::new().with_open_for(OPEN_FOR);
    Failover::new(Breaker::new(first, "first", settings, clock).unwrap(), second, clock).unwrap()
}
