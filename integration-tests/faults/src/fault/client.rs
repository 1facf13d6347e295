//! What is wrong on the program's side.

use std::time::Duration;

use super::{Fault, Through, USUAL, Work};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "no-descriptors",
        about: "the program has no descriptors left, and its connections are reset every 100 ms",
        through: Through::Proxy,
        again: Some((Duration::from_millis(100), |stage| {
            stage.proxies.iter().for_each(larder_test_servers::Proxy::reset);
            Ok(())
        })),
        work: Work::NoDescriptors,
        ..USUAL
    },
    Fault {
        name: "unknown-name",
        about: "the servers' names cannot be resolved; it does not end",
        from_start: true,
        end: None,
        work: Work::UnknownNames,
        ..USUAL
    },
];
