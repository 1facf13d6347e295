//! What happens to the channel on which a store tells of changes, and to nothing else: near copies live shorter then, and no
//! call may notice more.

use std::time::Duration;

use larder_test_servers::Fault as Break;

use super::{Effect, Fault, On, Serves, Through, USUAL};
use crate::stage::Stage;

/// A notice of so many keys at once does not fit into the 16 KiB that a server keeps for each client beside its queue.
const KEYS_AT_ONCE: usize = 1000;

/// Copies go on being served: what is known of versions is asked for, now and then, where nothing tells of it.
const OF_THE_BUS: Fault = Fault { on: On::Buses, serves: Serves::Most, ..USUAL };
const ON_THE_WAY: Fault = Fault { through: Through::Proxy, end: Some(Stage::heal_all), ..OF_THE_BUS };

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "bus-lost",
        about: "the server closes the bus every 20 ms",
        again: Some((Duration::from_millis(20), close)),
        ..OF_THE_BUS
    },
    Fault {
        name: "bus-flapping",
        about: "the server closes the bus every 700 ms, when it has just come back",
        again: Some((Duration::from_millis(700), close)),
        ..OF_THE_BUS
    },
    Fault {
        name: "bus-refused",
        about: "the user loses the right to a bus, and the server closes it",
        begin: |stage| {
            stage.tell(&["ACL", "SETUSER", "default", "-client|tracking"])?;
            close(stage)
        },
        end: Some(|stage| stage.tell(&["ACL", "SETUSER", "default", "+@all"])),
        ..OF_THE_BUS
    },
    Fault {
        name: "bus-overflows",
        about: "the server keeps no queue for the bus, and writes many keys at once every 100 ms",
        begin: |stage| stage.tell(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 0 0"]),
        again: Some((Duration::from_millis(100), |stage| {
            let keys: Vec<String> = (0..KEYS_AT_ONCE).map(|n| format!("faults:many:#{n}")).collect();
            let pairs = keys.iter().flat_map(|key| [key.as_str(), "x"]);
            stage.tell(&["MSET"].into_iter().chain(pairs).collect::<Vec<_>>())
        })),
        end: Some(|stage| {
            stage.tell(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"])
        }),
        ..OF_THE_BUS
    },
    Fault {
        name: "bus-silent",
        about: "connections of buses stay, and nothing comes on them",
        begin: |stage| stage.break_all(Break::BusSilent),
        ..ON_THE_WAY
    },
    Fault {
        name: "bus-late",
        about: "what the bus says comes 600 ms late: longer than it may say nothing",
        begin: |stage| stage.break_all(Break::BusLate(Duration::from_millis(600))),
        // The connection stays, and copies live shorter: calls are to notice nothing.
        effect: Effect::Nothing,
        ..ON_THE_WAY
    },
];

/// Ends buses, and no other connection: they are the only ones that listen to a channel.
fn close(stage: &Stage) -> crate::Outcome {
    stage.tell(&["CLIENT", "KILL", "TYPE", "pubsub"])
}
