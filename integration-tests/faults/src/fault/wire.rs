//! What happens on the way. All of it is done by a proxy.

use std::time::Duration;

use larder_test_servers::Fault as Break;

use super::{Effect, Fault, Serves, Through, USUAL};
use crate::stage::Stage;

/// On the way, and over when the proxy is healed.
const ON_THE_WAY: Fault = Fault { through: Through::Proxy, end: Some(Stage::heal_all), ..USUAL };

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "black-hole",
        about: "nothing passes in either direction; new connections are neither accepted nor refused",
        begin: |stage| stage.break_all(Break::BlackHole),
        ..ON_THE_WAY
    },
    Fault {
        name: "never-answered",
        about: "connections are reset, new ones accepted, and nothing is answered on them",
        begin: |stage| stage.break_all(Break::NeverAnswered),
        ..ON_THE_WAY
    },
    Fault {
        name: "delay-10",
        about: "replies come 10 ms late",
        begin: |stage| stage.break_all(delay(10)),
        effect: Effect::Slows(Duration::from_millis(10)),
        serves: Serves::Most,
        ..ON_THE_WAY
    },
    Fault {
        name: "delay-40",
        about: "replies come 40 ms late: within the deadline, once",
        begin: |stage| stage.break_all(delay(40)),
        effect: Effect::Slows(Duration::from_millis(40)),
        ..ON_THE_WAY
    },
    Fault {
        name: "delay-50",
        about: "replies come 50 ms late: just past the deadline",
        begin: |stage| stage.break_all(delay(50)),
        effect: Effect::Slows(Duration::from_millis(40)),
        ..ON_THE_WAY
    },
    Fault {
        name: "delay-200",
        about: "replies come 200 ms late",
        begin: |stage| stage.break_all(delay(200)),
        ..ON_THE_WAY
    },
    Fault {
        name: "cut",
        about: "connections end after 0, 1, 5, 17 … 5000 bytes of replies",
        begin: |stage| stage.break_all(Break::Cut),
        ..ON_THE_WAY
    },
    Fault {
        name: "byte-by-byte",
        about: "replies come one byte at a time",
        begin: |stage| stage.break_all(Break::ByteByByte),
        effect: Effect::Nothing,
        serves: Serves::Most,
        ..ON_THE_WAY
    },
    Fault {
        name: "half-closed",
        about: "the servers' side of connections is closed, and the other is not",
        begin: |stage| stage.break_all(Break::HalfClosed),
        ..ON_THE_WAY
    },
    Fault {
        name: "reset",
        about: "connections are reset, and new ones at their first request",
        begin: |stage| stage.break_all(Break::Reset),
        ..ON_THE_WAY
    },
    Fault {
        name: "garbage",
        about: "random bytes come in place of replies; on every other connection none of them is a line end",
        begin: |stage| stage.break_all(Break::Garbage),
        ..ON_THE_WAY
    },
    Fault {
        name: "huge-length",
        about: "in place of each reply comes the beginning of one of 999 999 999 bytes",
        begin: |stage| stage.break_all(Break::HugeLength),
        ..ON_THE_WAY
    },
    Fault {
        name: "doubled",
        about: "one reply in 20 comes twice",
        begin: |stage| stage.break_all(Break::Doubled(20)),
        ..ON_THE_WAY
    },
    Fault {
        name: "swapped",
        about: "one reply in 20 is swapped with the next one",
        begin: |stage| stage.break_all(Break::Swapped(20)),
        ..ON_THE_WAY
    },
    Fault {
        name: "unsolicited",
        about: "an unsolicited reply comes every 50 ms",
        begin: |stage| stage.break_all(Break::Unsolicited(Duration::from_millis(50))),
        ..ON_THE_WAY
    },
    Fault {
        name: "clients-killed",
        about: "the servers close all connections every 20 ms",
        through: Through::ProxyIfNeeded,
        again: Some((Duration::from_millis(20), |stage| {
            if stage.proxies.is_empty() {
                stage.servers.iter().for_each(|server| server.kill_clients());
            } else {
                stage.proxies.iter().for_each(larder_test_servers::Proxy::close);
            }
            Ok(())
        })),
        ..USUAL
    },
];

const fn delay(millis: u64) -> Break {
    Break::Delay(Duration::from_millis(millis))
}
