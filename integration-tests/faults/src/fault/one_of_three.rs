//! One of several servers that share the keys. Only its own keys may be affected.

use std::time::Duration;

use super::{Fault, On, Serves, USUAL, Work};

const ONE: Fault = Fault { on: On::Shards, serves: Serves::Others, ..USUAL };

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "one-killed",
        about: "one server is killed, and restarted empty after the calls",
        begin: |stage| {
            stage.victim()?.stop();
            Ok(())
        },
        end: Some(|stage| {
            stage.victim()?.restart();
            Ok(())
        }),
        ..ONE
    },
    Fault {
        name: "one-frozen",
        about: "one server is stopped by a signal",
        begin: |stage| {
            stage.victim()?.freeze();
            Ok(())
        },
        end: Some(|stage| {
            stage.victim()?.thaw();
            Ok(())
        }),
        ..ONE
    },
    Fault {
        name: "one-back-empty",
        about: "one server is killed, and restarted empty after 300 ms, under load",
        begin: |stage| {
            stage.victim()?.stop();
            Ok(())
        },
        again: Some((Duration::from_millis(300), |stage| {
            if stage.turn() == 0 {
                stage.victim()?.restart();
            }
            Ok(())
        })),
        ..ONE
    },
    Fault {
        name: "one-back-with-memory",
        about: "one server is stopped by a signal and resumed later; meanwhile a tag of all keys is invalidated",
        begin: |stage| {
            stage.victim()?.freeze();
            Ok(())
        },
        end: Some(|stage| {
            stage.victim()?.thaw();
            Ok(())
        }),
        work: Work::Invalidates,
        serves: Serves::Nothing,
        ..ONE
    },
];
