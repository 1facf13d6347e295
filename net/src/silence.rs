//! How long a server may take, counted from the oldest request without a reply: a server that answers nothing is noticed
//! however many requests keep coming, and one that sends bytes which lead to no reply is not taken for one that works.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// What is large may take longer: one second for each 16 MiB.
const BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;

/// When requests were sent that have no reply yet.
#[derive(Debug)]
pub(crate) struct Silence {
    limit: Duration,
    /// Up to which request was sent by when, oldest first. Requests are counted from the beginning of the connection.
    sent: VecDeque<(u64, Instant)>,
    taken: u64,
    answered: u64,
    /// Since when something is being sent that the kernel has not taken yet, and how long it is.
    sending: Option<(Instant, usize)>,
}

impl Silence {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, sent: VecDeque::new(), taken: 0, answered: 0, sending: None }
    }

    /// These many requests, of this many bytes, are about to be sent.
    pub(crate) fn begin(&mut self, requests: usize, bytes: usize) {
        self.taken += requests as u64;
        self.sending = Some((Instant::now(), bytes));
    }

    /// Everything was sent.
    pub(crate) fn sent(&mut self) {
        if let Some((begun, bytes)) = self.sending.take() {
            // What is small was sent in a moment; asking the clock again would only cost.
            let at = if bytes as u64 > BYTES_PER_SECOND / 100 { Instant::now() } else { begun };
            self.sent.push_back((self.taken, at));
        }
    }

    /// These many requests have their replies.
    pub(crate) fn answered(&mut self, requests: usize) {
        self.answered += requests as u64;
        while self.sent.front().is_some_and(|(upto, _)| *upto <= self.answered) {
            self.sent.pop_front();
        }
    }

    /// How many requests have no reply.
    pub(crate) fn in_flight(&self) -> usize {
        usize::try_from(self.taken.saturating_sub(self.answered)).unwrap_or(usize::MAX)
    }

    /// When the server has been silent for too long; `None` while nothing is owed. `begun_body` is how much of a reply that
    /// is coming has come.
    pub(crate) fn ends(&self, begun_body: usize) -> Option<Instant> {
        let owed = self.sent.front().map(|(_, at)| (*at, begun_body));
        let (since, bytes) = owed.or(self.sending)?;
        let extra = Duration::from_millis(bytes as u64 * 1000 / BYTES_PER_SECOND);
        Some(since + self.limit + extra)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    async fn after(millis: u64) -> Instant {
        tokio::time::advance(Duration::from_millis(millis)).await;
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted_from_the_oldest_request_without_a_reply() {
        let mut silence = Silence::new(LIMIT);
        assert_eq!(silence.ends(0), None);
        let first = Instant::now();
        silence.begin(2, 100);
        silence.sent();
        let second = after(500).await;
        silence.begin(3, 100);
        silence.sent();
        assert_eq!((silence.in_flight(), silence.ends(0)), (5, Some(first + LIMIT)));
        // Further requests do not prolong it, and neither does half an answer.
        silence.answered(1);
        assert_eq!(silence.ends(0), Some(first + LIMIT));
        silence.answered(1);
        assert_eq!(silence.ends(0), Some(second + LIMIT));
        silence.answered(3);
        assert_eq!((silence.in_flight(), silence.ends(0)), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_large_may_take_longer_in_both_directions() {
        let mut silence = Silence::new(LIMIT);
        let begun = Instant::now();
        silence.begin(1, 16 * 1024 * 1024);
        assert_eq!(silence.ends(0), Some(begun + LIMIT + Duration::from_secs(1)));
        let sent = after(900).await;
        silence.sent();
        assert_eq!(silence.ends(0), Some(sent + LIMIT));
        assert_eq!(silence.ends(32 * 1024 * 1024), Some(sent + LIMIT + Duration::from_secs(2)));
    }
}
