//! One of several servers that share the keys. What is the matter with it is the matter of its keys alone.

use std::time::Duration;

use super::{Fault, On, Serves, USUAL, Work};

const ONE: Fault = Fault { on: On::Shards, serves: Serves::Others, ..USUAL };

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "one-killed",
        about: "one server is killed, and started again without what it knew when the calls are over",
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
        about: "one server is killed, and is back without what it knew after 300 ms, under load",
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
        about: "one server is stopped by a signal; meanwhile a tag that all keys have is invalidated; it is back with what it knew",
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
