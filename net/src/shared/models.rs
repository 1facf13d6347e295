//! Callers and the task behind a connection that meet in every order there is, by loom: whoever asks is answered, and nobody who
//! could be woken sleeps for ever. The socket is left out: a driver here answers what it takes at once.

use std::{collections::VecDeque, future::poll_fn, task::Poll};

use loom::{future::block_on, sync::Arc, thread};
use tokio::sync::oneshot;

use super::{Gathered, Shared, Turn, Wake};
use crate::{
    failure::Failure,
    input::Input,
    line::Waiting,
    outgoing::Outgoing,
    protocol::{Event, Protocol},
    settings::Limits,
};

/// A protocol whose replies are made here.
#[derive(Debug)]
struct Given;

impl Protocol for Given {
    type Request<'a> = u8;
    type Reply = u8;
    type Expected = u8;

    fn write(request: &u8, _: u32, out: &mut Outgoing) -> u8 {
        out.put(&[*request]);
        *request
    }

    fn read(&mut self, _: &mut Input) -> Result<Option<Event<u8>>, Failure> {
        Ok(None)
    }

    fn check(&mut self, expected: u8, reply: &u8) -> Result<(), Failure> {
        assert_eq!(expected, *reply);
        Ok(())
    }
}

type Line = Arc<Shared<Given>>;

fn line() -> Line {
    Arc::new(Shared::new("model".into(), Limits::default()))
}

/// How a model's caller fares.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Answered,
    Failed,
    /// Neither, for ever: the request was dropped without a word.
    Lost,
}

/// Asks, and serves the connection if it falls to this caller; `stays` as for [`serve`].
fn ask(line: &Line, request: u8, stays: bool) -> (Came, Option<thread::JoinHandle<()>>) {
    let (to, from) = oneshot::channel();
    let driver = match line.submit(1, |outbox| outbox.push(&request, to)) {
        Err(_) => return (Came::Failed, None),
        Ok(Wake::Nobody) => None,
        Ok(Wake::Driver(driver)) => {
            driver.wake();
            None
        }
        Ok(Wake::Start(generation)) => {
            let line = Arc::clone(line);
            Some(thread::spawn(move || serve(&line, generation, stays)))
        }
    };
    let came = match block_on(from) {
        Ok(Ok(reply)) => {
            assert_eq!(reply, request);
            Came::Answered
        }
        Ok(Err(_)) => Came::Failed,
        Err(_) => Came::Lost,
    };
    (came, driver)
}

/// Serves until the connection is closed or, if the runtime does not stay, for one turn.
fn serve(line: &Line, generation: u64, stays: bool) {
    if line.enter_open(generation) {
        let (mut sending, mut waiting) = (Outgoing::default(), VecDeque::new());
        block_on(poll_fn(|cx| {
            loop {
                let (turn, taken) = line.turn(generation, 0, cx.waker(), |outbox| {
                    if outbox.requests() == 0 {
                        return Gathered::None;
                    }
                    outbox.take(&mut sending, &mut waiting, 1);
                    Gathered::Some
                });
                answer(&sending, &mut waiting);
                sending.clear();
                match (turn, taken) {
                    (Turn::Last | Turn::GiveUp(_), _) => return Poll::Ready(()),
                    (Turn::On, Gathered::None) if stays => return Poll::Pending,
                    (Turn::On, Gathered::None) => return Poll::Ready(()),
                    (Turn::On, _) => {}
                }
            }
        }));
        line.none_in_flight(generation);
    }
    line.abandon(generation);
}

fn answer(sending: &Outgoing, waiting: &mut VecDeque<Waiting<Given>>) {
    let requests = sending.only_text().unwrap_or_default();
    for request in requests {
        let first = waiting.pop_front();
        let answered = first.map(|mut first| first.answer(&mut Given, Event::Reply(*request)));
        assert!(answered.is_some_and(|answered| answered.is_ok()));
    }
}

/// Nobody is left waiting while the driver goes to sleep, and one driver serves.
#[test]
fn whoever_asks_an_open_connection_is_answered() {
    loom::model(|| {
        let line = line();
        let other = {
            let line = Arc::clone(&line);
            thread::spawn(move || ask(&line, 1, true))
        };
        let mine = ask(&line, 2, true);
        let other = other.join().unwrap();
        line.close();
        assert_eq!((mine.0, other.0), (Came::Answered, Came::Answered));
        assert!(mine.1.is_some() != other.1.is_some(), "one driver");
        mine.1.into_iter().chain(other.1).for_each(|driver| driver.join().unwrap());
    });
}

/// A request that meets the end of the connection is answered or fails; it is not forgotten.
#[test]
fn whoever_asks_a_connection_that_is_closed_learns_it() {
    loom::model(|| {
        let line = line();
        let closing = {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                line.close();
            })
        };
        let (came, driver) = ask(&line, 1, true);
        closing.join().unwrap();
        assert_ne!(came, Came::Lost);
        driver.into_iter().for_each(|driver| driver.join().unwrap());
    });
}

/// The runtime that serves ends at any moment: who waits learns it, and who comes next serves.
#[test]
fn whoever_asks_while_the_serving_runtime_ends_is_answered_or_told() {
    // All orders would be some hours.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let line = line();
        let other = {
            let line = Arc::clone(&line);
            thread::spawn(move || ask(&line, 1, false))
        };
        let mine = ask(&line, 2, false);
        let other = other.join().unwrap();
        assert_ne!(mine.0, Came::Lost);
        assert_ne!(other.0, Came::Lost);
        mine.1.into_iter().chain(other.1).for_each(|driver| driver.join().unwrap());
        let (came, driver) = ask(&line, 3, true);
        assert_eq!(came, Came::Answered, "the next one starts another driver");
        line.close();
        driver.into_iter().for_each(|driver| driver.join().unwrap());
    });
}
