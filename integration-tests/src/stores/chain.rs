//! Chains: a store in memory in front of others. Nothing is done here behind the near tier's back, and there is no second process:
//! what those do is seen when copies end, which is what `core/tests/chain.rs` is about.

use larder_conformance::{Store, Suite, Time};
use larder_core::{Backend, Chain, Clock};
use larder_test_servers::RedisServer;

use super::{
    Subject,
    lazily::Lazily,
    memcached::{self, Servers},
    memory::{moka, quick_cache},
    redis,
};

pub(super) fn subjects() -> Vec<Subject> {
    vec![
        Subject::new("chain", "moka in front of quick-cache", |name| {
            Suite::new(name, |clock| {
                Store::new(chain(moka(clock.clone()), quick_cache(clock.clone()), &clock))
            })
        }),
        Subject::new("chain-redis", "quick-cache in front of a Redis", |name| {
            let server = Lazily::new(RedisServer::start);
            let store = move |clock: Clock| {
                Store::new(chain(quick_cache(clock.clone()), redis::connect(server.get()), &clock))
            };
            Suite::new(name, store).time(Time::Real)
        }),
        Subject::new("chain-ring", "moka and quick-cache in front of three Memcached", |name| {
            let servers: Lazily<Servers> = Lazily::new(|| memcached::start(3));
            let store = move |clock: Clock| {
                let near = quick_cache(clock.clone());
                let chain = chain(moka(clock.clone()), memcached::connect(servers.get()), &clock);
                Store::new(chain.near(near).unwrap())
            };
            Suite::new(name, store).time(Time::Real)
        }),
    ]
}

fn chain<B: Backend>(near: impl Backend, far: B, clock: &Clock) -> Chain<B> {
    Chain::new(far, clock).near(near).unwrap()
}
