//! Histories: random programs of single and bulk operations, by several tasks, handles and processes at once, and for each
//! key the question whether what all of them saw can be explained by the operations having happened one after the other,
//! each at some moment between its call and its answer. That is linearizability, and every store that claims atomic adds
//! and compare-and-set promises it for a key; for several keys of a bulk operation nothing of the kind is promised.

mod check;
mod program;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use tokio::{sync::Barrier, task::JoinSet};

use self::{
    check::{Event, explain},
    program::{KEYS, Lane, Lanes, programs},
};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict},
    patience::patiently,
    probe::Direct,
    search::search,
};

matrix! { "histories":
    #[needs(AtomicAdd, CompareAndSet)] one_handle_in_turn = "Random operations one after the other, single and in bulk, answer as one register for each key." => histories("one_handle_in_turn", Shape::IN_TURN);
    #[needs(AtomicAdd, CompareAndSet)] one_handle_at_once = "What many tasks see through one handle is what one order of their operations on each key explains." => histories("one_handle_at_once", Shape::AT_ONCE);
    #[needs(AtomicAdd, CompareAndSet)] one_handle_at_once_in_bulk = "What many tasks see through bulk operations is what one order of them on each key explains." => histories("one_handle_at_once_in_bulk", Shape { bulk_only: true, ..Shape::AT_ONCE });
    #[needs(AtomicAdd, CompareAndSet, Sharing)] several_processes_in_turn = "Random operations of several processes one after the other answer as one register for each key." => histories("several_processes_in_turn", Shape { peers: true, ..Shape::IN_TURN });
    #[needs(AtomicAdd, CompareAndSet, Sharing)] several_processes_at_once = "What several processes see is what one order of their operations on each key explains." => histories("several_processes_at_once", Shape { peers: true, ..Shape::AT_ONCE });
    #[needs(AtomicAdd, CompareAndSet, Sharing)] several_processes_at_once_in_bulk = "What several processes see through bulk operations is what one order of them on each key explains." => histories("several_processes_at_once_in_bulk", Shape { peers: true, bulk_only: true, ..Shape::AT_ONCE });
}

/// What kind of programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Whether the tasks run side by side; otherwise a step of each in turn.
    at_once: bool,
    bulk_only: bool,
    /// Whether every task but the first is another process.
    peers: bool,
}

impl Shape {
    const IN_TURN: Self = Self { at_once: false, bulk_only: false, peers: false };
    const AT_ONCE: Self = Self { at_once: true, bulk_only: false, peers: false };
}

/// How many programs.
const ROUNDS: u32 = 60;
/// How many tasks a program has.
const TASKS: usize = 3;
/// A program of tasks side by side may fail in one order of things only: each is played this often.
const TRIES: u32 = 3;

async fn histories(t: &Context, name: &'static str, shape: Shape) -> Verdict {
    let stores: Vec<Direct> = (0..TASKS)
        .map(|task| if shape.peers && task > 0 { t.direct_peer() } else { t.direct() }.silent())
        .collect();
    let play = |round: &str, program: Lanes| {
        let (stores, round) = (stores.clone(), round.to_owned());
        async move {
            for attempt in 0..if shape.at_once { TRIES } else { 1 } {
                play(shape, &format!("{round}.{attempt}"), &stores, &program).await?;
            }
            Ok(())
        }
    };
    search(t, name, ROUNDS, move || programs(TASKS, shape.bulk_only), play).await
}

async fn play(shape: Shape, round: &str, stores: &[Direct], program: &Lanes) -> Verdict {
    let clock = Arc::new(AtomicU64::new(0));
    let lanes = stores.iter().zip(&program.0).enumerate().map(|(number, (store, steps))| {
        Lane::new(number, store.clone(), round, steps.clone(), Arc::clone(&clock))
    });
    let mut lanes: Vec<Lane> = lanes.collect();
    let mut events = if shape.at_once {
        at_once(lanes).await?
    } else {
        let most = program.0.iter().map(Vec::len).max().unwrap_or(0);
        let mut events = Vec::new();
        for _ in 0..most {
            for lane in &mut lanes {
                events.extend(lane.step().await?);
            }
        }
        events
    };
    // Whoever reads when all is over sees what the last of them left.
    for (key, store) in (0..KEYS.len()).zip(stores.iter().cycle()) {
        events.push(program::read_at_the_end(store, round, key, clock.fetch_add(2, SeqCst)).await?);
    }
    for (key, name) in KEYS.iter().enumerate() {
        let of_key: Vec<Event> = events.iter().filter(|event| event.key == key).cloned().collect();
        explain(&of_key).map_err(|told| {
            Failure::new(format_args!("an order of the operations on {name:?} that explains them"), told)
        })?;
    }
    Ok(())
}

async fn at_once(lanes: Vec<Lane>) -> Result<Vec<Event>, Failure> {
    let start = Arc::new(Barrier::new(lanes.len()));
    let mut running = JoinSet::new();
    for mut lane in lanes {
        let start = Arc::clone(&start);
        running.spawn(async move {
            start.wait().await;
            let mut events = Vec::new();
            while !lane.is_over() {
                events.extend(lane.step().await?);
            }
            Ok::<_, larder_core::Error>(events)
        });
    }
    let all = patiently("an answer to every operation", running.join_all()).await?;
    Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}
