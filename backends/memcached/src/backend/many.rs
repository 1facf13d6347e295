//! Many keys at once: one round trip to each server, all servers side by side.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use larder_core::{
    Error, ErrorKind, Result,
    backend::{Condition, Lookup, SetItem, SetOptions},
    error::Operation,
    key::StoreKey,
};

use larder_net::{Connection, Failure, Limits, Repeat, Replies, again};
use tokio::{runtime::Handle, time::Instant};

use super::{Call, MemcachedBackend, read, unfit, write};
use crate::{
    expiry::server_seconds,
    protocol::{Body, KEYS_AT_ONCE, Mode, Refusal, Reply, Request, WireKey},
    server::MemcachedServer,
};

/// The most requests that are sent in one go; more are sent when these are answered. It leaves room for others
/// in the queue of the connection.
pub(super) const AT_ONCE: usize = 4096;
/// The most bytes of values that are sent in one go, unless one alone is larger.
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

/// How much sooner than the caller gives up a server is given up that answers later than others.
const MARGIN: Duration = Duration::from_millis(3);

/// Keys of one connection, and their places in the caller's list.
pub(super) struct Group<'a> {
    pub(super) server: &'a MemcachedServer,
    pub(super) connection: &'a Connection<MemcachedServer>,
    pub(super) keys: Vec<(usize, WireKey)>,
    limits: Limits,
}

/// An answer, and its place in the caller's list.
pub(super) type Answer<T> = (usize, Result<T>);

impl MemcachedBackend {
    pub(super) async fn read_many(
        &self,
        keys: &[StoreKey<'_>],
        until: Option<Instant>,
    ) -> Vec<Result<Lookup>> {
        let (groups, refused) = self.group(keys.iter(), Operation::Get);
        let asked = groups.iter().map(|group| {
            group.in_time((Operation::Get, until), groups.len(), self.read_group(group, keys, until))
        });
        in_order(keys.len(), refused, join_all(asked).await)
    }

    /// Reads keys of one connection, many of them in one request: a server takes a break after every 20 requests of a
    /// connection (`memcached -R`), however small they are.
    async fn read_group(
        &self,
        group: &Group<'_>,
        keys: &[StoreKey<'_>],
        until: Option<Instant>,
    ) -> Vec<Answer<Lookup>> {
        let mut answers = Vec::with_capacity(group.keys.len());
        let now = self.clock.now();
        for part in group.keys.chunks(AT_ONCE) {
            let requests = || part.chunks(KEYS_AT_ONCE).map(Request::GetAll);
            let replies = group.ask((Repeat::Harmless, until), requests).await;
            for (asked, reply) in part.chunks(KEYS_AT_ONCE).zip(one_by_one(replies, group, Operation::Get)) {
                match reply.and_then(|reply| group.assign(asked, reply)) {
                    Ok(found) => answers.extend(
                        asked
                            .iter()
                            .zip(found)
                            .map(|((place, _), bytes)| (*place, Ok(read::value(&keys[*place], bytes, now)))),
                    ),
                    Err(why) => answers.extend(asked.iter().map(|(place, _)| (*place, Err(why.clone())))),
                }
            }
        }
        answers
    }

    pub(super) async fn write_many(&self, items: &[SetItem<'_>]) -> Vec<Result<bool>> {
        let (groups, refused) = self.group(items.iter().map(|item| &item.key), Operation::Set);
        let call = (Operation::Set, until(items.iter().map(|item| item.options.until)));
        let asked =
            groups.iter().map(|group| group.in_time(call, groups.len(), self.write_group(group, items)));
        in_order(items.len(), refused, join_all(asked).await)
    }

    async fn write_group(&self, group: &Group<'_>, items: &[SetItem<'_>]) -> Vec<Answer<bool>> {
        let mut answers = Vec::with_capacity(group.keys.len());
        let mut steps = Vec::new();
        let mut bytes = 0;
        for (place, wire) in &group.keys {
            let item = &items[*place];
            match self.first_step(group.server, item).await {
                Ok(what) => {
                    bytes += if let What::Store(_, _, body) = &what { body.len() } else { 0 };
                    steps.push(Step { place: *place, wire, what });
                }
                Err(error) => answers.push((*place, Err(error))),
            }
            if steps.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                self.take_steps(group, std::mem::take(&mut steps), items, &mut answers).await;
                bytes = 0;
            }
        }
        self.take_steps(group, steps, items, &mut answers).await;
        answers
    }

    /// What is sent first for this item.
    async fn first_step(&self, server: &MemcachedServer, item: &SetItem<'_>) -> Result<What> {
        let SetItem { key, entry, options: SetOptions { ttl, condition, .. }, .. } = item;
        let body = write::body(key, entry).await?;
        let fits = write::check_size(server, &body);
        let ttl = server_seconds(*ttl);
        Ok(match (condition, fits) {
            (Condition::Always, Ok(())) => What::Store(Mode::Set, ttl, body),
            (Condition::Always, Err(too_large)) => What::RemoveFor(too_large),
            (_, Err(too_large)) => return Err(too_large),
            (Condition::Absent, Ok(())) if server.max_value().is_some() => What::Store(Mode::Add, ttl, body),
            _ => What::Look,
        })
    }

    async fn take_steps(
        &self,
        group: &Group<'_>,
        steps: Vec<Step<'_>>,
        items: &[SetItem<'_>],
        answers: &mut Vec<Answer<bool>>,
    ) {
        let (alone, together): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| matches!(step.what, What::Look));
        let mut again: Vec<(usize, &WireKey)> = alone.iter().map(|step| (step.place, step.wire)).collect();
        if !together.is_empty() {
            let until = until(together.iter().map(|step| items[step.place].options.until));
            let replies = group.ask((Repeat::Never, until), || together.iter().map(Step::request)).await;
            for (step, reply) in together.into_iter().zip(one_by_one(replies, group, Operation::Set)) {
                let answer = match (step.what, reply) {
                    (_, Err(failure)) => Err(failure),
                    (What::RemoveFor(too_large), Ok(Reply::Done | Reply::Absent)) => Err(too_large),
                    // What is in the way may be over, and what was too large has to be removed.
                    (What::Store(Mode::Add, ..), Ok(Reply::NotStored))
                    | (What::Store(..), Ok(Reply::Refused(Refusal::TooLarge))) => {
                        again.push((step.place, step.wire));
                        continue;
                    }
                    (What::Store(..), Ok(reply)) => write::stored(&reply, group.server),
                    (_, Ok(reply)) => Err(unfit(&reply, group.server, Operation::Set)),
                };
                answers.push((step.place, answer));
            }
        }
        for (place, wire) in again {
            let SetItem { key, entry, options, .. } = &items[place];
            answers.push((place, self.write(key, wire, entry, options).await));
        }
    }

    /// The keys by the connections they go over, and those that cannot be sent.
    pub(super) fn group<'k, T>(
        &self,
        keys: impl Iterator<Item = &'k StoreKey<'k>>,
        operation: Operation,
    ) -> (Vec<Group<'_>>, Vec<Answer<T>>) {
        let per_node = self.nodes[0].connections.len();
        let mut groups: Vec<Option<Group<'_>>> = Vec::new();
        groups.resize_with(self.nodes.len() * per_node, || None);
        let mut refused = Vec::new();
        let share = keys.size_hint().0.div_ceil(groups.len());
        for (place, key) in keys.enumerate() {
            match WireKey::new(key, operation) {
                Ok(wire) => {
                    let (node, connection) = self.place(&wire);
                    let group = groups[node * per_node + connection].get_or_insert_with(|| Group {
                        server: &self.nodes[node].server,
                        connection: &self.nodes[node].connections[connection],
                        limits: self.limits,
                        keys: Vec::with_capacity(share),
                    });
                    group.keys.push((place, wire));
                }
                Err(error) => refused.push((place, Err(error))),
            }
        }
        (groups.into_iter().flatten().collect(), refused)
    }
}

/// One item of a bulk write, and how it begins.
struct Step<'a> {
    place: usize,
    wire: &'a WireKey,
    what: What,
}

enum What {
    /// It is stored together with others.
    Store(Mode, u32, Body),
    /// It is too large, for this reason; what it would have replaced is removed.
    RemoveFor(Error),
    /// It needs a look at what is there: it is written on its own.
    Look,
}

impl Step<'_> {
    fn request(&self) -> Request<'_> {
        match &self.what {
            What::Store(mode, ttl, body) => {
                Request::Set { key: self.wire, mode: *mode, ttl: *ttl, body: body.clone() }
            }
            What::RemoveFor(_) => Request::Delete(self.wire),
            What::Look => Request::Get(self.wire),
        }
    }
}

impl Group<'_> {
    /// Makes requests in one go. Those that are harmless are made once more if the connection is lost meanwhile.
    pub(super) async fn ask<'q, R>(
        &self,
        (repeat, until): (Repeat, Option<Instant>),
        requests: impl Fn() -> R,
    ) -> Replies<Reply>
    where
        R: IntoIterator<Item = Request<'q>, IntoIter: ExactSizeIterator>,
    {
        let requests = &requests;
        let attempt = || async move {
            match self.connection.ask_many(requests()).replies().await {
                // What was done before a connection is lost is known of changes; reads are made again altogether.
                Replies { replies, failure: Some(failure) }
                    if replies.is_empty() || repeat == Repeat::Harmless =>
                {
                    Err(failure)
                }
                replies => Ok(replies),
            }
        };
        let replies = again(self.limits, (repeat, until), attempt).await;
        replies.unwrap_or_else(|failure| Replies { replies: Vec::new(), failure: Some(failure) })
    }

    /// The answers of one of several servers, or that it has none in time: it fails its own keys, and not those of the others,
    /// which their caller would not receive any more.
    pub(super) async fn in_time<T>(
        &self,
        (operation, until): Call,
        groups: usize,
        answers: impl Future<Output = Vec<Answer<T>>>,
    ) -> Vec<Answer<T>> {
        // Outside a runtime there is nothing to measure time with.
        let Some(end) = until.filter(|_| groups > 1 && Handle::try_current().is_ok()) else {
            return answers.await;
        };
        let left = end.saturating_duration_since(Instant::now());
        if let Ok(answers) = tokio::time::timeout(left.saturating_sub((left / 10).min(MARGIN)), answers).await
        {
            return answers;
        }
        let late =
            Failure::new(ErrorKind::Timeout, "no answer in time, although other servers have answered");
        let late = late.at(&self.server.name).during(operation);
        self.keys.iter().map(|(place, _)| (*place, Err(late.clone()))).collect()
    }

    /// The values of these keys in a reply to a `get`. If it has values of other keys, nothing that follows on its connection
    /// is trusted.
    fn assign(&self, asked: &[(usize, WireKey)], reply: Reply) -> Result<Vec<Option<Bytes>>> {
        let found = match reply {
            Reply::Found(found) => found,
            other => return Err(unfit(&other, self.server, Operation::Get)),
        };
        found.assign(asked.iter().map(|(_, wire)| wire.as_bytes())).ok_or_else(|| {
            let why = Failure::protocol("the server sent values of keys that were not asked for");
            let why = why.at(&self.server.name);
            self.connection.give_up(why.clone());
            why.during(Operation::Get)
        })
    }
}

/// When the callers of all of these have stopped waiting; `None` if one of them never does.
pub(super) fn until(each: impl Iterator<Item = Option<Instant>>) -> Option<Instant> {
    each.min().flatten()
}

/// The replies, and behind the last the reason why there are no more, without end.
pub(super) fn one_by_one(
    Replies { replies, failure }: Replies<Reply>,
    group: &Group<'_>,
    operation: Operation,
) -> impl Iterator<Item = Result<Reply>> + use<> {
    let failure = match failure {
        Some(failure) => failure.during(operation),
        // Not reached: there are as many replies as requests, or there is a failure.
        None => unfit(&Reply::Done, group.server, operation),
    };
    replies.into_iter().map(Ok).chain(std::iter::repeat_with(move || Err(failure.clone())))
}

/// The answers in the order of the caller's list.
pub(super) fn in_order<T>(
    count: usize,
    refused: Vec<Answer<T>>,
    asked: Vec<Vec<Answer<T>>>,
) -> Vec<Result<T>> {
    let mut answers: Vec<Option<Result<T>>> = Vec::new();
    answers.resize_with(count, || None);
    for (place, answer) in refused.into_iter().chain(asked.into_iter().flatten()) {
        answers[place] = Some(answer);
    }
    let missing = || Error::new(ErrorKind::Other, Operation::Get, "the key was not asked for");
    // Every place is either refused or in one group, and each group answers for all of its keys.
    answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(missing()))).collect()
}
