//! Ways to do one thing: alone, or as one of many. What holds for one key holds in bulk.

use std::time::Duration;

use bytes::Bytes;
use larder_core::{
    Entry, Result, Ttl,
    backend::{Condition, SetOptions, TouchOptions},
    clock::Timestamp,
    entry::{Body, Kind, Lifetime, Meta, Scope, Stamp, Token},
};

use crate::{
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Direct,
};

/// Alone or in bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// By the operation for one key.
    Alone,
    /// By the operation for many, between two other keys.
    Many,
}

pub(crate) use How::{Alone, Many};

pub(crate) const HOWS: [How; 2] = [Alone, Many];

/// The neighbours in a bulk operation.
const BEFORE: &str = "before it";
const AFTER: &str = "after it";

impl How {
    /// Whether the write took place.
    pub(crate) async fn write(
        self,
        store: &Direct,
        key: &str,
        entry: &Entry,
        options: SetOptions,
    ) -> Result<bool> {
        if self == Alone {
            return store.put(&larder_core::Key::new(key), entry, options).await;
        }
        let (other, always) = (store.entry("of a neighbour", Ttl::Never), SetOptions::new(Ttl::Never));
        middle(
            store.put_each(&[(BEFORE, &other, always), (key, entry, options), (AFTER, &other, always)]).await,
        )
    }

    pub(crate) async fn touch(self, store: &Direct, key: &str, options: TouchOptions) -> Result<bool> {
        if self == Alone {
            return store.touch_as(key, options).await;
        }
        let other = TouchOptions::new(Lifetime::until(Timestamp::NEVER), Ttl::Never);
        middle(store.touch_each(&[(BEFORE, other), (key, options), (AFTER, other)]).await)
    }

    pub(crate) async fn delete(self, store: &Direct, key: &str, condition: Condition) -> Result<bool> {
        if self == Alone {
            return store.delete_when(key, condition).await;
        }
        let always = Condition::Always;
        middle(store.delete_many_when(&[(BEFORE, always), (key, condition), (AFTER, always)]).await)
    }

    pub(crate) async fn read(self, store: &Direct, key: &str) -> Result<Option<Entry>> {
        if self == Alone {
            return store.entry_of(key).await;
        }
        Ok(store.entries_of(&[BEFORE, key, AFTER]).await?.swap_remove(1))
    }
}

fn middle(mut answers: Vec<Result<bool>>) -> Result<bool> {
    if answers.len() == 3 { answers.swap_remove(1) } else { Ok(false) }
}

/// Forever, on this condition.
pub(crate) fn when(condition: Condition) -> SetOptions {
    SetOptions::new(Ttl::Never).when(condition)
}

/// Touches to this TTL from now on, on this condition.
pub(crate) fn touch_to(t: &Context, ttl: impl Into<Ttl>, condition: Condition) -> TouchOptions {
    let ttl = ttl.into();
    TouchOptions::new(Lifetime::until(ttl.expires(t.clock().now())), ttl).when(condition)
}

/// A plain entry of these bytes, with nothing beside them.
pub(crate) fn plain(t: &Context, bytes: &'static str, ttl: impl Into<Ttl>) -> Entry {
    t.direct().entry(bytes, ttl)
}

/// An entry in which every field is something.
pub(crate) fn furnished(t: &Context, bytes: &'static str, ttl: impl Into<Ttl>) -> Entry {
    let now = t.clock().now();
    let expires = ttl.into().expires(now);
    let fresh = now.plus(Duration::from_millis(50_001));
    let stamps = vec![
        Stamp::new(Scope::Namespace(0), 0xfedc_ba98_7654_3210),
        Stamp::new(Scope::Tag("first tag".into()), 1),
        Stamp::new(Scope::Tag("\u{e9}\u{0}".into()), u64::MAX),
    ];
    let user = [("name", &b"\0\xff\r\n"[..]), ("empty", b"")];
    let user: Vec<_> = user.iter().map(|(name, data)| ((*name).into(), Bytes::from_static(data))).collect();
    let meta = Meta::new(Timestamp::from_millis(now.as_millis() - 77_777), Lifetime::new(fresh, expires))
        .with_load_cost(Duration::from_micros(123_457))
        .with_kind(Kind::Negative)
        .with_slides(Some(Duration::from_millis(86_400_001)))
        .with_stamps(stamps.into())
        .with_user(user.into());
    let body =
        Body::raw(Bytes::from_static(bytes.as_bytes()), 3).compressed_by(200, 0x0102_0304, 7_000_000_001);
    Entry::from_body(body, meta)
}

/// Whether the store gives this entry, with all that is known about it, in both ways of reading.
pub(crate) async fn is_there(store: &Direct, key: &str, expected: &Entry, lifetime: Lifetime) -> Verdict {
    for how in HOWS {
        let Some(seen) = how.read(store, key).await? else {
            return Err(Failure::new("the entry that was written", format_args!("a miss, read {how:?}")));
        };
        all_the_same(&seen, expected, lifetime)?;
    }
    Ok(())
}

#[track_caller]
fn all_the_same(seen: &Entry, expected: &Entry, lifetime: Lifetime) -> Verdict {
    let (one, other) = (seen.meta(), expected.meta());
    let bodies = [seen, expected].map(|entry| entry.encoded().cloned());
    let bytes = bodies.each_ref().map(|body| body.as_ref().map(|body| body.bytes.clone()));
    let fields = [
        ("bytes", bytes[0] == bytes[1]),
        ("format, codec, dictionary and length", bodies[0] == bodies[1]),
        ("moment of making", one.created == other.created),
        ("moment of becoming stale", one.lifetime.fresh_until == lifetime.fresh_until),
        ("moment of ending", one.lifetime.expires == lifetime.expires),
        ("cost of loading", one.load_cost() == other.load_cost()),
        ("revision", one.revision == other.revision),
        ("kind", one.kind == other.kind),
        ("TTL for sliding", one.slides() == other.slides()),
        ("stamps", one.stamps == other.stamps),
        ("metadata of the program", one.all_user() == other.all_user()),
    ];
    let wrong: Vec<_> = fields.iter().filter(|(_, is_right)| !is_right).map(|(name, _)| *name).collect();
    holds(wrong.is_empty(), "every field as it was written", (wrong, one))
}

/// The key has nothing, in both ways of reading.
pub(crate) async fn is_absent(store: &Direct, key: &str) -> Verdict {
    for how in HOWS {
        let seen = how.read(store, key).await?;
        holds(seen.is_none(), "nothing under the key", seen.map(|entry| entry.meta().clone()))?;
    }
    Ok(())
}

/// The token of what is there.
pub(crate) async fn token_of(store: &Direct, key: &str) -> Result<Token, Failure> {
    store.token(key).await?.ok_or_else(|| Failure::new("a hit, with its token", "a miss"))
}

/// By no way a token that is no longer good does anything.
pub(crate) async fn does_nothing(t: &Context, store: &Direct, key: &str, token: Token) -> Verdict {
    let old = Condition::Unchanged(token);
    for how in HOWS {
        same(how.write(store, key, &plain(t, "by an old token", Ttl::Never), when(old)).await?, false)?;
        same(how.touch(store, key, touch_to(t, Ttl::Never, old)).await?, false)?;
        same(how.delete(store, key, old).await?, false)?;
    }
    Ok(())
}
