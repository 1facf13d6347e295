//! `_msearch` and `_mget`: each item is cached separately, and only what is missing goes upstream, in one request.
//!
//! Each missing item is a load of its own, so that its generations are read before the upstream is asked and whoever else wants it
//! waits for it. Its loader does not ask, but hands in its place in the request, and waits for the request that takes it along.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::join_all, stream::FuturesUnordered};
use http::{
    HeaderMap, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH},
    request::Parts,
};
use larder::{Fetched, Key, Loaded, Status};
use larder_http::{
    caching::{
        cache_status::{CacheStatus, Forward},
        fields,
    },
    request::{NotKeyed, Request},
    search::{Keyed, Many, Why, mget, msearch},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{
    super::{Answered, Asked},
    FOR_THE_UPSTREAM, Shared,
    entry::{Entry, Unstored, Whole},
    generations::Generations,
    load::{Lives, OVER, Trouble, answer_of},
    owned_headers,
    question::Question,
    reply,
};
use crate::{
    body::{Read, full, read},
    counters::Outcome,
    failure::Failure,
    forward,
    request::Target,
    upstream::Again,
};

/// How long a request for missing items waits for the store to let more of them be loaded.
const GATHER: Duration = Duration::from_millis(10);

/// Which of the two.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Msearch,
    Mget,
}

/// Answers such a request.
pub(super) async fn answer(search: &Arc<Shared>, asked: Asked, shape: Shape) -> Answered {
    let search = Arc::clone(search);
    // In a task, since others may wait for its items when the client goes away.
    tokio::spawn(async move { search.many(asked, shape).await }).await.unwrap_or(Err(Failure::BadAnswer))
}

/// An item that is to be asked for, and who waits for it.
struct Wanted {
    place: usize,
    told: oneshot::Sender<Result<Part, Trouble>>,
}

/// What the upstream has answered for one item.
#[derive(Debug, Clone)]
struct Part {
    /// Of the whole answer.
    headers: Arc<HeaderMap>,
    body: Bytes,
}

impl Shared {
    async fn many(self: &Arc<Self>, asked: Asked, shape: Shape) -> Answered {
        let headers = &asked.parts.headers;
        if headers.contains_key(CONTENT_ENCODING)
            || FOR_THE_UPSTREAM.iter().any(|name| headers.contains_key(name))
        {
            return self.pass(asked, Forward::Bypass, "a compressed request, a range or a condition").await;
        }
        let (mut asked, body) = match self.read_body(asked).await? {
            (asked, Some(body)) => (asked, body),
            (asked, None) => return self.pass(asked, Forward::Bypass, "a large request").await,
        };
        asked.is_safe(&body);
        let owned = owned_headers(&asked);
        let headers: Vec<(&str, &[u8])> =
            owned.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (method, path) = (asked.parts.method.clone(), asked.target.path.clone());
        let request = Request {
            method: method.as_str(),
            path: path.path(),
            query: path.query(),
            headers: &headers,
            body: &body,
            client_certificate: None,
            now: std::time::SystemTime::now(),
        };
        let many = match shape {
            Shape::Msearch => msearch(&request, &self.settings.rules),
            Shape::Mget => mget(&request, &self.settings.rules),
        };
        match many {
            Ok(many) => self.items(asked, &many).await,
            Err(why) => self.pass(asked, Forward::Bypass, NotKeyed::text(why)).await,
        }
    }

    async fn items(self: &Arc<Self>, asked: Asked, many: &Many<'_>) -> Answered {
        let mut keyed: Vec<Option<(Key, &Keyed)>> = many
            .items
            .iter()
            .map(|item| {
                item.key.as_ref().ok().map(|keyed| (self.key("search", &asked, &keyed.digest), keyed))
            })
            .collect();
        let known = self.names().await;
        for item in &mut keyed {
            let Some((_, key)) = item else { continue };
            if self.owes(&Generations::of_read(&key.targets, known.names())).await {
                *item = None;
            }
        }
        let mut parts: Vec<Option<Part>> =
            join_all(keyed.iter().map(|keyed| self.stored(keyed.as_ref()))).await;
        let hits = parts.iter().flatten().count();
        let mut took = 0;
        if hits < parts.len() {
            match self.missing((&asked.parts, &asked.target), many, &keyed, &mut parts).await {
                Ok(longest) => took = longest,
                // What is not an answer to all of it is the answer to the whole.
                Err(()) => return self.pass(asked, Forward::UriMiss, "not taken apart").await,
            }
        }
        let found: Vec<&[u8]> = parts.iter().flatten().map(|part| &part.body[..]).collect();
        let Some(first) = parts.iter().flatten().next().filter(|_| found.len() == parts.len()) else {
            return self.pass(asked, Forward::UriMiss, "not taken apart").await;
        };
        let etag = Many::etag(&found);
        let mut response = Response::new(full(many.merge(took, &found)));
        *response.headers_mut() = HeaderMap::clone(&first.headers);
        let mut status = CacheStatus::default();
        status.hit = hits == parts.len();
        status.forward = (!status.hit).then_some(Forward::UriMiss);
        status.detail = (hits > 0 && !status.hit).then_some("in part");
        let outcome = if status.hit { Outcome::Hit } else { Outcome::Miss };
        Ok((reply::put_together(&asked, response, &etag, status, &self.settings.name), outcome))
    }

    /// What is stored of an item.
    async fn stored(&self, keyed: Option<&(Key, &Keyed)>) -> Option<Part> {
        let (key, _) = keyed?;
        let found = self.worked("look an item up", self.cache.get(key).await)??;
        part_of(&found, true)
    }

    /// Has the missing items loaded, and asks the upstream for those whose loads begin. The longest time that it took, in
    /// milliseconds.
    async fn missing(
        self: &Arc<Self>,
        asked: (&Parts, &Target),
        many: &Many<'_>,
        keyed: &[Option<(Key, &Keyed)>],
        parts: &mut [Option<Part>],
    ) -> Result<u64, ()> {
        let (sender, mut wanted) = mpsc::channel::<Wanted>(parts.len().max(1));
        let mut loads = FuturesUnordered::new();
        let mut batch: Vec<(usize, Option<Wanted>)> = Vec::new();
        // The same question twice is one load.
        let mut distinct = HashSet::new();
        for place in (0..parts.len()).filter(|&place| parts[place].is_none()) {
            match &keyed[place] {
                Some((key, keyed)) => {
                    distinct.insert(keyed.digest);
                    let load =
                        Arc::clone(self).item(key.clone(), Keyed::clone(keyed).into(), place, sender.clone());
                    loads.push(tokio::spawn(load).map(move |found| (place, found.ok().flatten())));
                }
                None => batch.push((place, None)),
            }
        }
        drop(sender);
        let mut took = 0;
        let mut open = true;
        let mut deadline = Instant::now() + GATHER;
        let mut begun = 0;
        let missing = distinct.len();
        while !loads.is_empty() || !batch.is_empty() {
            tokio::select! {
                found = loads.next(), if !loads.is_empty() => {
                    let Some((place, part)) = found else { continue };
                    parts[place] = Some(part.ok_or(())?);
                    continue;
                }
                item = gathered(&mut wanted, (!batch.is_empty()).then_some(deadline)), if open => {
                    match item {
                        Gathered::Item(item) => {
                            if batch.is_empty() {
                                deadline = Instant::now() + GATHER;
                            }
                            begun += 1;
                            batch.push((item.place, Some(item)));
                            if begun < missing {
                                continue;
                            }
                        }
                        Gathered::NoMore => open = false,
                        Gathered::Late => {}
                    }
                }
                else => {}
            }
            if batch.is_empty() {
                continue;
            }
            took = took.max(self.ask_for(asked, many, std::mem::take(&mut batch), parts).await?);
        }
        Ok(took)
    }

    /// The load of one item. It receives the item in the end.
    async fn item(
        self: Arc<Self>,
        key: Key,
        question: Question,
        place: usize,
        wanted: mpsc::Sender<Wanted>,
    ) -> Option<Part> {
        let generations = Generations::of_read(&question.targets, self.names().await.names());
        let tags: Vec<String> = generations.tags().map(str::to_owned).collect();
        let (cache, search) = (self.cache.clone(), Arc::clone(&self));
        let loader = move |_| async move {
            let since = Instant::now();
            let longest = search.longest_now(&generations, question.real_time).await;
            let known = search.names().await;
            let stands = generations.are_of_any()
                || Generations::of_read(&question.targets, known.names()) == generations;
            let asked_at = std::time::SystemTime::now();
            let waited = Instant::now();
            let (told, part) = oneshot::channel();
            let lost = || Trouble::Failed(Failure::BadAnswer);
            wanted.send(Wanted { place, told }).await.map_err(|_| lost())?;
            drop(wanted);
            let part = part.await.map_err(|_| lost())??;
            let kept = question.storable(200, &part.body).map_err(Why::text).and_then(|admission| {
                let settings = &search.settings;
                if !stands {
                    return Err("aliases have changed");
                }
                if !settings.admits(&admission, waited.elapsed()) {
                    return Err("it cost too little");
                }
                let age = since.elapsed();
                let lives = Lives { life: &question.life, ttl: settings.ttl, longest, asked_at, age };
                answer_of(&part.headers, &part.body, admission.etag, &lives)
            });
            Ok::<_, Trouble>(match kept {
                Ok(answer) => {
                    let life = answer.life;
                    Loaded::new(Entry::Answer(answer)).ttl(life)
                }
                Err(why) => {
                    let (status, headers) = (http::StatusCode::OK, HeaderMap::clone(&part.headers));
                    let whole = Whole { status, headers, body: part.body, why };
                    Loaded::not_stored(Entry::Unstored(Unstored::Whole(whole)))
                }
            })
        };
        let loaded = cache.at(&key).tags(tags).get_or_load_with(loader).await.ok()?;
        let has_joined = loaded.status() == Status::Joined;
        let may_be_old = match &*loaded {
            Entry::Answer(answer) => answer.in_gap,
            Entry::Unstored(Unstored::Whole(whole)) => whole.why == OVER,
            _ => false,
        };
        if has_joined && may_be_old && self.is_too_old(&loaded) {
            return None;
        }
        part_of(&loaded, self.may_be_shared() || !has_joined)
    }

    /// Asks the upstream for these items, and tells those who wait.
    async fn ask_for(
        &self,
        asked: (&Parts, &Target),
        many: &Many<'_>,
        batch: Vec<(usize, Option<Wanted>)>,
        parts: &mut [Option<Part>],
    ) -> Result<u64, ()> {
        let places: Vec<usize> = batch.iter().map(|(place, _)| *place).collect();
        let answered = self.ask_upstream(asked, many.body_for(&places)).await;
        let tell = |batch: Vec<(usize, Option<Wanted>)>, trouble: &Trouble| {
            for wanted in batch.into_iter().filter_map(|(_, wanted)| wanted) {
                let _ = wanted.told.send(Err(trouble.clone()));
            }
        };
        let (status, headers, body) = match answered {
            Ok(answered) => answered,
            Err(failure) => {
                tell(batch, &Trouble::Failed(failure));
                return Err(());
            }
        };
        let Ok(answers) = many.answers(status, &body, places.len()) else {
            tell(batch, &Trouble::Failed(Failure::BadAnswer));
            return Err(());
        };
        let headers = Arc::new(headers);
        for ((place, wanted), item) in batch.into_iter().zip(&answers.items) {
            let part = Part { headers: Arc::clone(&headers), body: body.slice_ref(item) };
            match wanted {
                Some(wanted) => drop(wanted.told.send(Ok(part))),
                None => parts[place] = Some(part),
            }
        }
        Ok(answers.took.unwrap_or(0))
    }

    async fn ask_upstream(
        &self,
        (parts, target): (&Parts, &Target),
        body: Vec<u8>,
    ) -> Result<(u16, HeaderMap, Bytes), Failure> {
        let mut parts = parts.clone();
        for name in [ACCEPT_ENCODING, CONTENT_LENGTH, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            parts.headers.remove(name);
        }
        let body = Bytes::from(body);
        let mut request = forward::request(&parts, target, full(body.clone()), &self.settings.name)?;
        request.extensions_mut().insert(Again::Safe(body));
        let (mut parts, body) = self.upstream.ask(request).await?.into_parts();
        fields::remove_hop_by_hop(&mut parts.headers);
        parts.headers.remove(CONTENT_LENGTH);
        match read(body, self.settings.max_body).await {
            Ok(Read::Whole(body)) if !parts.headers.contains_key(CONTENT_ENCODING) => {
                Ok((parts.status.as_u16(), parts.headers, body))
            }
            _ => Err(Failure::BadAnswer),
        }
    }
}

enum Gathered {
    Item(Wanted),
    /// No load is going to begin any more.
    NoMore,
    /// What is there does not wait any longer.
    Late,
}

async fn gathered(wanted: &mut mpsc::Receiver<Wanted>, deadline: Option<Instant>) -> Gathered {
    let item = match deadline {
        Some(deadline) => match timeout_at(deadline, wanted.recv()).await {
            Ok(item) => item,
            Err(_) => return Gathered::Late,
        },
        None => wanted.recv().await,
    };
    item.map_or(Gathered::NoMore, Gathered::Item)
}

/// An item as it is stored, or as it came with somebody's request if it may be given to this one.
fn part_of(found: &Fetched<Entry>, may_be_unstored: bool) -> Option<Part> {
    match &**found {
        Entry::Answer(answer) => {
            let over = found.status() == Status::Hit && found.age() > answer.life;
            let old = found.status() == Status::Stale && answer.in_gap;
            (!over && !old).then(|| Part { headers: Arc::new(answer.headers()), body: answer.body.clone() })
        }
        Entry::Unstored(Unstored::Whole(whole)) if may_be_unstored => {
            Some(Part { headers: Arc::new(whole.headers.clone()), body: whole.body.clone() })
        }
        _ => None,
    }
}
