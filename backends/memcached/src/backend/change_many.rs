//! Removing many entries, and giving many other TTLs: where a condition or the entry itself has to be looked at, one round
//! trip for looking and one for changing, however many there are.

use std::collections::HashMap;

use futures_util::future::join_all;
use larder_core::{
    Result,
    backend::{DeleteItem, TouchItem},
    error::Operation,
    key::StoreKey,
};

use larder_net::Repeat;

use super::{
    Call, MemcachedBackend,
    many::{AT_ONCE, Answer, Group, in_order, one_by_one, until},
    read::{self, Item},
    unfit, write,
};
use crate::protocol::{Reply, Request, WireKey};

/// The most values that are held at once in order to change them.
const HELD_AT_ONCE: usize = 256;

/// A key of a group, and its place in the caller's list.
type Place = (usize, WireKey);

impl MemcachedBackend {
    pub(super) async fn remove_all(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let (groups, refused) = self.group(items.iter().map(|item| &item.key), Operation::Delete);
        let call = (Operation::Delete, until(items.iter().map(|item| item.options.until)));
        let asked =
            groups.iter().map(|group| group.in_time(call, groups.len(), self.remove_group(group, items)));
        in_order(items.len(), refused, join_all(asked).await)
    }

    async fn remove_group(&self, group: &Group<'_>, items: &[DeleteItem<'_>]) -> Vec<Answer<bool>> {
        let condition = |place: &usize| items[*place].options.condition;
        let mut answers = Vec::with_capacity(group.keys.len());
        let (once, alone) = split(group, |_| false);
        let (any, these): (Vec<Place>, Vec<Place>) =
            once.into_iter().partition(|(place, _)| write::is_unconditional(condition(place)));
        let until = until(items.iter().map(|item| item.options.until));
        let call = (Operation::Delete, until);
        for part in any.chunks(AT_ONCE / 2) {
            let requests = || part.iter().flat_map(|(_, wire)| write::removal(wire)).collect::<Vec<_>>();
            let replies = group.ask((Repeat::Never, until), requests).await;
            let mut replies = one_by_one(replies, group, Operation::Delete);
            for (place, _) in part {
                // There are two for each key, and then failures without end.
                let (Some(found), Some(removed)) = (replies.next(), replies.next()) else { break };
                let removed = match (found, removed) {
                    (Ok(found), Ok(removed)) => {
                        self.removed(&items[*place].key, [found, removed], group.server)
                    }
                    (Err(failure), _) | (_, Err(failure)) => Err(failure),
                };
                answers.push((*place, removed));
            }
        }
        for part in these.chunks(HELD_AT_ONCE) {
            let key = |place: usize| items[place].key;
            let steps = self.look(group, part, &key, call, &mut answers, |place, wire, item| {
                if !self.is_meant(&item.found, condition(&place), Operation::Delete)? {
                    return Ok(None);
                }
                Ok(Some(Request::DeleteUnchanged(wire, write::state(item.cas, Operation::Delete)?)))
            });
            for Step { place, wire, reply, .. } in change(group, steps.await, call).await {
                let removed = match reply {
                    Ok(Reply::Done) => Ok(true),
                    Ok(Reply::Absent) => Ok(false),
                    Ok(Reply::Changed) => {
                        self.remove_one(&items[place].key, wire, condition(&place), call).await
                    }
                    Ok(other) => Err(unfit(&other, group.server, Operation::Delete)),
                    Err(failure) => Err(failure),
                };
                answers.push((place, removed));
            }
        }
        for (place, wire) in &alone {
            let removed = self.remove_one(&items[*place].key, wire, condition(place), call).await;
            answers.push((*place, removed));
        }
        answers
    }

    pub(super) async fn touch_all(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let (groups, refused) = self.group(items.iter().map(|item| &item.key), Operation::Touch);
        let call = (Operation::Touch, until(items.iter().map(|item| item.options.until)));
        let asked =
            groups.iter().map(|group| group.in_time(call, groups.len(), self.touch_group(group, items)));
        in_order(items.len(), refused, join_all(asked).await)
    }

    async fn touch_group(&self, group: &Group<'_>, items: &[TouchItem<'_>]) -> Vec<Answer<bool>> {
        let mut answers = Vec::with_capacity(group.keys.len());
        let call = (Operation::Touch, until(items.iter().map(|item| item.options.until)));
        // A TTL of zero removes, which is another request.
        let (once, alone) = split(group, |place| items[place].options.ttl.is_zero());
        for part in once.chunks(HELD_AT_ONCE) {
            let key = |place: usize| items[place].key;
            let steps = self.look(group, part, &key, call, &mut answers, |place, wire, item| {
                self.touching(&items[place].key, wire, item, &items[place].options)
            });
            for Step { place, wire, item, reply } in change(group, steps.await, call).await {
                let TouchItem { key, options, .. } = &items[place];
                let touched = match reply.and_then(|reply| self.touched(&item, &reply, group.server)) {
                    Ok(Some(touched)) => Ok(touched),
                    Ok(None) => self.touch_one(key, wire, options).await,
                    Err(failure) => Err(failure),
                };
                answers.push((place, touched));
            }
        }
        for (place, wire) in &alone {
            let TouchItem { key, options, .. } = &items[*place];
            answers.push((*place, self.touch_one(key, wire, options).await));
        }
        answers
    }

    /// Reads these, and prepares what changes them. Those that are not to be changed are answered.
    async fn look<'w>(
        &self,
        group: &Group<'_>,
        part: &'w [Place],
        key: &(impl Fn(usize) -> StoreKey<'w> + Sync),
        (operation, until): Call,
        answers: &mut Vec<Answer<bool>>,
        prepare: impl Fn(usize, &'w WireKey, &Item) -> Result<Option<Request<'w>>> + Send,
    ) -> Vec<(usize, &'w WireKey, Item, Request<'w>)> {
        let requests = || part.iter().map(|(_, wire)| Request::GetWithCas(wire));
        let replies = group.ask((Repeat::Harmless, until), requests).await;
        let mut steps = Vec::with_capacity(part.len());
        for ((place, wire), reply) in part.iter().zip(one_by_one(replies, group, operation)) {
            let answer = match reply {
                Ok(Reply::Value { bytes, cas, mark }) => {
                    let found = read::entry(&key(*place), &bytes, mark);
                    let item = Item { bytes, cas, found };
                    match prepare(*place, wire, &item) {
                        Ok(Some(request)) => {
                            steps.push((*place, wire, item, request));
                            continue;
                        }
                        Ok(None) => Ok(false),
                        Err(why) => Err(why),
                    }
                }
                Ok(Reply::Absent) => Ok(false),
                Ok(other) => Err(unfit(&other, group.server, operation)),
                Err(failure) => Err(failure),
            };
            answers.push((*place, answer));
        }
        steps
    }
}

/// The keys of a group, and those of them that are changed one after the other: keys that are in it more than once, so that
/// each change sees the one before, and those that need it otherwise.
fn split(group: &Group<'_>, alone: impl Fn(usize) -> bool) -> (Vec<Place>, Vec<Place>) {
    let mut times: HashMap<&[u8], u32> = HashMap::with_capacity(group.keys.len());
    for (_, wire) in &group.keys {
        *times.entry(wire.as_bytes()).or_default() += 1;
    }
    let is_once = |place: &usize, wire: &WireKey| times[wire.as_bytes()] == 1 && !alone(*place);
    group.keys.iter().cloned().partition(|(place, wire)| is_once(place, wire))
}

/// What was to be changed, and what the server said.
struct Step<'w> {
    place: usize,
    wire: &'w WireKey,
    item: Item,
    reply: Result<Reply>,
}

/// Sends the changes in one go.
async fn change<'w>(
    group: &Group<'_>,
    steps: Vec<(usize, &'w WireKey, Item, Request<'w>)>,
    (operation, until): Call,
) -> Vec<Step<'w>> {
    if steps.is_empty() {
        return Vec::new();
    }
    let count = steps.len();
    let (mut items, mut requests) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (place, wire, item, request) in steps {
        items.push((place, wire, item));
        requests.push(request);
    }
    let replies = group.ask((Repeat::Never, until), || requests.iter().cloned()).await;
    let replies = one_by_one(replies, group, operation);
    items
        .into_iter()
        .zip(replies)
        .map(|((place, wire, item), reply)| Step { place, wire, item, reply })
        .collect()
}
