//! Servers that end, stop or come back.

use std::time::Duration;

use super::{Effect, Fault, Serves, USUAL};
use crate::server::Server;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "none",
        about: "no fault: the baseline",
        effect: Effect::Nothing,
        serves: Serves::Most,
        ..USUAL
    },
    Fault {
        name: "killed",
        about: "the servers are killed, and restarted empty",
        begin: |stage| stage.each(Server::stop),
        end: Some(|stage| stage.each(Server::restart)),
        ..USUAL
    },
    Fault {
        name: "frozen",
        about: "the servers are stopped by a signal: connections stay, new ones are accepted, nothing is answered",
        begin: |stage| stage.each(Server::freeze),
        end: Some(|stage| stage.each(Server::thaw)),
        ..USUAL
    },
    Fault {
        name: "restarted",
        about: "the servers are killed and started at once, every 700 ms",
        begin: |stage| stage.each(Server::restart),
        again: Some((Duration::from_millis(700), |stage| stage.each(Server::restart))),
        ..USUAL
    },
    Fault {
        name: "port-closed",
        about: "the servers do not run when the program starts, and are started later",
        from_start: true,
        begin: |stage| stage.each(Server::stop),
        end: Some(|stage| stage.each(Server::restart)),
        ..USUAL
    },
];
