//! The ends of many calls, kept by one timer for each runtime.
//!
//! A timer of tokio's for each call costs more than everything else that a deadline is: it is entered into a wheel and taken out of
//! it again, under a lock of the whole runtime. The calls of one store all may take equally long, so they end in the order in
//! which they began: a queue does, and one task that sleeps until the first of it ends.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// By how much a call may end earlier than one that began before it: it ends together with that one then. Tokio's timers are
/// no more exact.
const SLACK: Duration = Duration::from_millis(1);
/// How many calls a queue holds, with those that have ended behind one that has not. More have timers of their own.
const LONGEST: usize = 8192;

/// Rings for calls that take too long.
#[derive(Debug, Default)]
pub(super) struct Alarm(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// One for each runtime that has calls: usually one.
    queues: Vec<Queue>,
    /// No number below it is given out again.
    next: u64,
}

/// The calls in one runtime, the first to end first.
#[derive(Debug)]
struct Queue {
    runtime: Id,
    /// The number of the first call in line. Calls with lower ones have left, or the alarm has rung for them.
    first: u64,
    line: VecDeque<Call>,
    /// When the last of them ends.
    last: Instant,
    /// Until when its server sleeps: no call in line ends before.
    wakes: Instant,
}

#[derive(Debug)]
struct Call {
    end: Instant,
    /// `None`: it has left.
    waker: Option<Waker>,
}

/// A call's place in line, which it leaves when it is dropped.
struct Place<'a> {
    alarm: &'a Alarm,
    runtime: Id,
    number: u64,
}

/// Serves a queue as long as there is one. Dropped before, as when its runtime ends, it rings for everybody.
struct Server {
    alarm: Arc<Alarm>,
    runtime: Id,
}

/// What tells a call that its time is up.
enum Timer<'a> {
    Shared(Place<'a>),
    Own(Pin<Box<Sleep>>),
}

/// What the work gives, if it ends by then. Without a runtime there is nothing to measure time with.
pub(super) async fn by<F: Future>(alarm: &Arc<Alarm>, end: Instant, work: F) -> Option<F::Output> {
    let (mut work, mut timer) = (pin!(work), None::<Timer<'_>>);
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if let Some(timer) = &mut timer {
            ready!(timer.poll(context));
            return Poll::Ready(None);
        }
        let Ok(runtime) = Handle::try_current() else { return Poll::Pending };
        let entered = alarm.enter(&runtime, end, context.waker());
        let timer = timer.insert(match entered {
            Some(place) => Timer::Shared(place),
            None => Timer::Own(Box::pin(sleep_until(end))),
        });
        if let Timer::Own(sleep) = timer {
            ready!(sleep.as_mut().poll(context));
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

impl Timer<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Shared(place) => place.alarm.look(place, context.waker()),
            Self::Own(sleep) => sleep.as_mut().poll(context),
        }
    }
}

impl Alarm {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a call, unless it needs a timer of its own.
    fn enter(self: &Arc<Self>, runtime: &Handle, end: Instant, waker: &Waker) -> Option<Place<'_>> {
        let id = runtime.id();
        let (number, is_new) = {
            let mut state = self.lock();
            let State { queues, next } = &mut *state;
            let is_new = !queues.iter().any(|queue| queue.runtime == id);
            if is_new {
                queues.push(Queue {
                    runtime: id,
                    first: *next,
                    line: VecDeque::new(),
                    last: end,
                    wakes: end,
                });
            }
            let queue = queues.iter_mut().find(|queue| queue.runtime == id)?;
            if queue.line.is_empty() {
                queue.last = queue.wakes;
            }
            if queue.last > end + SLACK || queue.line.len() >= LONGEST {
                return None;
            }
            queue.last = queue.last.max(end);
            queue.line.push_back(Call { end, waker: Some(waker.clone()) });
            (queue.first + queue.line.len() as u64 - 1, is_new)
        };
        if is_new {
            // On a runtime that is shutting down it is dropped at once, and rings.
            let server = Server { alarm: Arc::clone(self), runtime: id };
            runtime.spawn(serve(server));
        }
        Some(Place { alarm: self, runtime: id, number })
    }

    /// Ready when the alarm has rung for this call. Else this is who is to be woken.
    fn look(&self, place: &Place<'_>, waker: &Waker) -> Poll<()> {
        match self.lock().call(place) {
            Some(call) => {
                match &mut call.waker {
                    Some(known) => known.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    /// Rings for those whose time is up. When the next one's is; `None` if nobody is left, and the queue is gone.
    fn ring(&self, runtime: Id, now: Instant) -> Option<Instant> {
        let mut late = Vec::new();
        let next = {
            let mut state = self.lock();
            let at = state.queues.iter().position(|queue| queue.runtime == runtime)?;
            let queue = &mut state.queues[at];
            while queue.line.front().is_some_and(|call| call.waker.is_none() || call.end <= now) {
                late.extend(queue.line.pop_front().and_then(|call| call.waker));
                queue.first += 1;
            }
            let next = queue.line.front().map(|call| call.end);
            if let Some(next) = next {
                queue.wakes = next;
            } else {
                let gone = state.queues.swap_remove(at);
                state.next = state.next.max(gone.first);
            }
            next
        };
        late.into_iter().for_each(Waker::wake);
        next
    }

    /// Rings for everybody in this runtime.
    fn ring_for_all(&self, runtime: Id) {
        let mut state = self.lock();
        let Some(at) = state.queues.iter().position(|queue| queue.runtime == runtime) else { return };
        let gone = state.queues.swap_remove(at);
        state.next = state.next.max(gone.first + gone.line.len() as u64);
        drop(state);
        gone.line.into_iter().filter_map(|call| call.waker).for_each(Waker::wake);
    }
}

impl State {
    /// A call that is in line.
    fn call(&mut self, place: &Place<'_>) -> Option<&mut Call> {
        let queue = self.queues.iter_mut().find(|queue| queue.runtime == place.runtime)?;
        let at = place.number.checked_sub(queue.first)?;
        queue.line.get_mut(usize::try_from(at).ok()?)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.alarm.lock();
        let waker = state.call(self).and_then(|call| call.waker.take());
        if let Some(queue) = state.queues.iter_mut().find(|queue| queue.runtime == self.runtime) {
            while queue.line.front().is_some_and(|call| call.waker.is_none()) {
                queue.line.pop_front();
                queue.first += 1;
            }
        }
        drop(state);
        // It may be the last of its task.
        drop(waker);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.alarm.ring_for_all(self.runtime);
    }
}

async fn serve(server: Server) {
    while let Some(next) = server.alarm.ring(server.runtime, Instant::now()) {
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::{task::JoinSet, time::sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    impl Alarm {
        fn in_line(&self) -> usize {
            self.lock().queues.iter().map(|queue| queue.line.len()).sum()
        }
    }

    async fn rung_after(alarm: &Arc<Alarm>, limit: Duration) -> Duration {
        let begun = Instant::now();
        assert_eq!(by(alarm, begun + limit, pending::<()>()).await, None);
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_ends_at_its_own_time_and_not_before() {
        let alarm = Arc::default();
        let mut calls = JoinSet::new();
        for call in 0_u64..50 {
            let alarm = Arc::clone(&alarm);
            calls.spawn(async move {
                sleep(Duration::from_millis(call * 7 % 50)).await;
                // One in five may take less time than those before it.
                let limit = if call % 5 == 0 { LIMIT / 4 } else { LIMIT };
                let took = rung_after(&alarm, limit).await;
                assert!(took >= limit && took <= limit + 3 * SLACK, "{took:?} {limit:?}");
            });
        }
        calls.join_all().await;
        sleep(LIMIT).await;
        assert_eq!((alarm.in_line(), alarm.lock().queues.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_done_leaves_and_nothing_rings_for_him() {
        let alarm = Arc::default();
        assert_eq!(by(&alarm, Instant::now(), ready(1)).await, Some(1));
        assert_eq!(alarm.in_line(), 0);
        let end = Instant::now() + LIMIT;
        let done = by(&alarm, end, sleep(LIMIT / 2)).await;
        assert_eq!((done, alarm.in_line()), (Some(()), 0));
        // The queue is still served for what comes next, and ends with it.
        assert!(rung_after(&alarm, LIMIT).await < LIMIT + 3 * SLACK);
        // A call that is given up leaves as well; what is behind it waits no longer for that.
        let mut first = Box::pin(by(&alarm, Instant::now() + LIMIT, pending::<()>()));
        assert!(polled(&mut first).await.is_pending());
        let second = rung_after(&alarm, LIMIT);
        drop(first);
        assert!(second.await < LIMIT + 3 * SLACK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_call_after_one_that_has_left_waits_no_longer_for_that() {
        let alarm = Arc::default();
        assert_eq!(by(&alarm, Instant::now() + LIMIT, sleep(LIMIT / 10)).await, Some(()));
        let took = rung_after(&alarm, LIMIT / 4).await;
        assert!(took <= LIMIT / 4 + 3 * SLACK, "{took:?}");
    }

    async fn polled<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_behind_one_that_hangs_costs_a_bounded_place() {
        let alarm = Arc::default();
        let mut hangs = Box::pin(by(&alarm, Instant::now() + LIMIT, pending::<()>()));
        assert!(polled(&mut hangs).await.is_pending());
        for _ in 0..2 * LONGEST {
            let mut call = Box::pin(by(&alarm, Instant::now() + LIMIT, pending::<()>()));
            assert!(polled(&mut call).await.is_pending());
        }
        assert_eq!(alarm.in_line(), LONGEST);
        // What finds no place has a timer of its own.
        assert!(rung_after(&alarm, LIMIT).await <= LIMIT + 3 * SLACK);
        assert_eq!(hangs.await, None);
        assert_eq!(alarm.in_line(), 0);
    }

    #[test]
    fn each_runtime_has_its_own_and_takes_it_along() {
        let alarm: Arc<Alarm> = Arc::default();
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (one, other) = (runtime(), runtime());
        let call = by(&alarm, std::time::Instant::now().checked_add(LIMIT).unwrap().into(), pending::<()>());
        let mut call = Box::pin(call);
        assert!(one.block_on(polled(&mut call)).is_pending());
        // Nobody drives the other one meanwhile.
        assert!(other.block_on(rung_after(&alarm, LIMIT)) >= LIMIT);
        drop(one);
        // Its timer is gone: better too early than never.
        assert_eq!(other.block_on(call), None);
        assert!(other.block_on(rung_after(&alarm, LIMIT)) >= LIMIT);
    }
}
