//! Servers that answer, and say no.

use std::{thread, time::Duration};

use super::{Effect, Fault, On, Serves, USUAL, Work};
use crate::{
    server::Server,
    stage::Stage,
    store::{PASSWORD, Wants},
};

/// For how much longer a server is paused than calls are made: it cannot be resumed sooner.
const PAUSE_MARGIN: Duration = Duration::from_secs(1);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "full",
        about: "the servers have no memory left and evict nothing",
        wants: Wants { no_eviction: true, ..USUAL.wants },
        begin: |stage| stage.servers.iter().try_for_each(|server| server.fill()),
        end: Some(|stage| stage.servers.iter().try_for_each(|server| server.make_room())),
        ..USUAL
    },
    Fault {
        name: "read-only",
        about: "the server is made a replica",
        on: On::Redis,
        begin: |stage| stage.tell(&["REPLICAOF", "127.0.0.1", "1"]),
        end: Some(|stage| stage.tell(&["REPLICAOF", "NO", "ONE"])),
        ..USUAL
    },
    Fault {
        name: "loading",
        about: "the server is restarted and loads its data for some seconds",
        on: On::Redis,
        wants: Wants { slow_start: true, ..USUAL.wants },
        begin: |stage| {
            stage.servers.iter().for_each(|server| server.keep_much());
            stage.in_background(Server::restart);
            Ok(())
        },
        end: Some(Stage::join),
        ..USUAL
    },
    Fault {
        name: "wrong-password",
        about: "the program has another password than the servers, and is given theirs later",
        from_start: true,
        wants: Wants { password: true, ..USUAL.wants },
        begin: |stage| stage.tell_password("wrong"),
        end: Some(|stage| stage.tell_password(PASSWORD)),
        ..USUAL
    },
    Fault {
        name: "password-changed",
        about: "the servers change their password and close all connections; the program gets the new one later",
        wants: Wants { password: true, ..USUAL.wants },
        begin: |stage| {
            stage.servers.iter().for_each(|server| server.change_password("after"));
            Ok(())
        },
        end: Some(|stage| stage.tell_password("after")),
        ..USUAL
    },
    Fault {
        name: "no-rights",
        about: "the user loses the right to read and to write",
        on: On::Redis,
        begin: |stage| stage.tell(&["ACL", "SETUSER", "default", "-@read", "-@write", "-@scripting"]),
        end: Some(|stage| stage.tell(&["ACL", "SETUSER", "default", "+@all"])),
        ..USUAL
    },
    Fault {
        name: "too-many-clients",
        about: "the servers' limit of clients is reached when the program starts; places become free later",
        from_start: true,
        wants: Wants { few_clients: true, ..USUAL.wants },
        begin: |stage| {
            stage.servers.iter().try_for_each(|server| {
                stage.gather(server.crowd()?);
                Ok(())
            })
        },
        end: Some(|stage| {
            stage.disperse();
            Ok(())
        }),
        ..USUAL
    },
    Fault {
        name: "paused",
        about: "the server stops answering for some seconds (`CLIENT PAUSE`)",
        on: On::Redis,
        begin: |stage| {
            let millis = (stage.window + PAUSE_MARGIN).as_millis().to_string();
            stage.tell(&["CLIENT", "PAUSE", &millis, "ALL"])
        },
        end: Some(|stage| {
            thread::sleep((stage.window + PAUSE_MARGIN).saturating_sub(stage.elapsed()));
            Ok(())
        }),
        ..USUAL
    },
    Fault {
        name: "flushed",
        about: "the servers are emptied every 20 ms",
        again: Some((Duration::from_millis(20), |stage| {
            stage.servers.iter().for_each(|server| server.flush());
            Ok(())
        })),
        effect: Effect::Misses,
        ..USUAL
    },
    Fault {
        name: "too-large",
        about: "one value in 20 has 2 MiB, and the servers take 1 MiB",
        wants: Wants { small_values: true, ..USUAL.wants },
        work: Work::TooLarge,
        serves: Serves::Most,
        ..USUAL
    },
];
