//! Bytes that are no envelope, or that of something else.

use larder_core::{
    Key, Ttl,
    backend::GetOptions,
    envelope,
    key::{Namespace, StoreKey},
    miss::{Miss, Undecodable},
};

use super::{envelope, is_unreadable, put};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, holds, same},
    value::Value,
};

family! { "envelope":
    #[needs(ForeignBytes)] foreign_bytes_are_a_miss = "What another program wrote is a miss with a reason, whatever it is.";
    #[needs(ForeignBytes)] bytes_that_begin_like_an_envelope_are_a_miss = "Bytes that begin like an envelope and are none are a miss with a reason.";
    #[needs(ForeignBytes)] another_keys_bytes_are_a_miss = "The bytes of another key are a miss for that reason: nobody is given another's value.";
    #[needs(ForeignBytes)] another_namespaces_bytes_are_a_miss = "The bytes of the same key in another namespace are a miss for that reason.";
    #[needs(ForeignBytes)] another_schemas_bytes_are_a_miss = "The bytes of the same key under another schema version are a miss for that reason.";
    #[needs(ForeignBytes)] another_long_keys_bytes_are_a_miss = "The bytes of another long key, alike but for its end, are a miss for that reason.";
    #[needs(ForeignBytes)] the_store_says_the_same = "A store itself tells a hit from bytes that it cannot read, alone and among others.";
    #[needs(ForeignBytes)] every_read_takes_foreign_bytes_for_a_miss = "To every kind of read bytes that cannot be read are a miss, and never an error.";
    #[needs(ForeignBytes)] bytes_of_version_1_are_read = "Bytes that were written by version 1 stay readable.";
}

async fn foreign_bytes_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let large = vec![0x1a; 100_000];
    let foreign: [&[u8]; 12] = [
        b"",
        b"\0",
        b"1",
        b"hello",
        b"{\"a\":1}",
        b"\x80\x04\x95pickle",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\r\nEND\r\n",
        &[0; 96],
        &[0xff; 96],
        &[0; 4096],
        &large,
    ];
    for bytes in foreign {
        same(is_unreadable(t, &cache, &key, bytes).await?.as_str() != "", true)?;
        same(cache.get("k").await?, None)?;
    }
    let stats = cache.cache().stats();
    same((stats.undecodable, stats.misses, stats.hits, stats.errors), (24, 24, 0, 0))
}

async fn bytes_that_begin_like_an_envelope_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    let magic = envelope::MAGIC;
    for rest in [&b""[..], &[envelope::VERSION], &[0; 92], &[1; 92], &[0xff; 1000], &[0; 300]] {
        is_unreadable(t, &cache, &key, &[&magic, rest].concat()).await?;
    }
    is_unreadable(t, &cache, &key, &magic[..2]).await?;
    is_unreadable(t, &cache, &key, &[&b"\x1a"[..], &magic].concat()).await.map(drop)
}

async fn another_keys_bytes_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("other", "of another").await?;
    cache.set("k", "mine").await?;
    let bytes = envelope(t, &Key::new("other")).await?;
    put(t, &Key::new("k"), &bytes).await;
    same(cache.look_up("k").await?, Err(Miss::OtherKey))?;
    same(cache.contains("k").await?, false)?;
    same(cache.cache().stats().undecodable, 1)?;
    same(cache.get("other").await?, Some("of another".into()))
}

async fn another_namespaces_bytes_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let elsewhere = t.cache_in("elsewhere");
    elsewhere.set("k", "of elsewhere").await?;
    let space = elsewhere.cache().namespace().clone();
    let (key, place) = (Key::new("k"), Key::new("k"));
    let Some(entry) = t.backend().get(&StoreKey::new(&space, &place), &GetOptions::new()).await?.entry()
    else {
        return same(elsewhere.get("k").await?, Some("of elsewhere".into()));
    };
    let bytes = envelope::Envelope::write(&StoreKey::new(&space, &key), &entry).await?.to_bytes();
    put(t, &key, &bytes).await;
    same(cache.look_up("k").await?, Err(Miss::OtherKey))
}

async fn another_schemas_bytes_are_a_miss(t: &Context) -> Verdict {
    let key = Key::new("k");
    let newer = t.cache_with("newer", |builder| builder.schema(2));
    newer.set("k", "of schema 2").await?;
    let place = StoreKey::new(newer.cache().namespace(), &key);
    let Some(entry) = t.backend().get(&place, &GetOptions::new()).await?.entry() else {
        return same(newer.get("k").await?, Some("of schema 2".into()));
    };
    let bytes = envelope::Envelope::write(&place, &entry).await?.to_bytes();
    put(t, &key, &bytes).await;
    let seen = t.cache().look_up("k").await?;
    holds(
        matches!(seen, Err(Miss::OtherKey | Miss::Undecodable(Undecodable::Schema(2)))),
        "a miss because of the key or the schema",
        seen,
    )
}

async fn another_long_keys_bytes_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let long = |end: &str| Key::new("long").part("x".repeat(2000) + end);
    cache.set(long("a"), "of a").await?;
    cache.set(long("b"), "of b").await?;
    let bytes = envelope(t, &long("a")).await?;
    put(t, &long("b"), &bytes).await;
    same(cache.look_up(long("b")).await?, Err(Miss::OtherKey))?;
    same(cache.get(long("a")).await?, Some("of a".into()))
}

async fn the_store_says_the_same(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("there", "v", Ttl::Never).await?;
    put(t, &Key::new("foreign"), b"of another program").await;
    same(store.get("foreign").await?, None)?;
    let alone = store.look_up("foreign").await?;
    holds(
        matches!(&alone, larder_core::backend::Lookup::Miss(Miss::Undecodable(Undecodable::Foreign))),
        "a miss because of foreign bytes",
        &alone,
    )?;
    same(store.get_many(&["there", "foreign", "missing"]).await?, [Some("v".into()), None, None])
}

async fn every_read_takes_foreign_bytes_for_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    put(t, &key, b"of another program").await;
    same(cache.get("k").await?, None)?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.touch("k", t.short()).await?, false)?;
    same(cache.cache().get_encoded(&key).await?.is_none(), true)?;
    same(cache.get_many(&[key]).await?.into_iter().collect::<Result<Vec<_>, _>>()?, [None])?;
    same(cache.cache().stats().errors, 0)
}

/// `{"name":"Ada"}` as JSON under `shop/users@2:user:#7`, as the first release wrote it but with a life that
/// does not end. A change of these bytes is a change of everybody's store.
const VERSION_1: &str = include_str!("v1.hex");

async fn bytes_of_version_1_are_read(t: &Context) -> Verdict {
    let namespace = match Namespace::new("shop/users", 2) {
        Ok(namespace) => namespace,
        refused => return fails(refused, larder_core::ErrorKind::Config),
    };
    let key = Key::new("user").part(7);
    let place = StoreKey::new(&namespace, &key);
    let digits: String = VERSION_1.split_whitespace().collect();
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .filter_map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok())
        .collect();
    t.vandalize(&place.to_string(), &bytes).await;
    let seen = t.backend().get(&place, &GetOptions::new()).await?;
    t.note("backend.get(\"shop/users@2:user:#7\").await;", &seen);
    let Some(entry) = seen.entry() else { return same(Value::Null, "{\"name\":\"Ada\"}".into()) };
    let body = entry.body().await?;
    same(&body.bytes[..], &b"{\"name\":\"Ada\"}"[..])?;
    same((body.format, body.codec), (1, 0))?;
    same(entry.meta().user("found").map(|data| data.to_vec()), Some(b"42".to_vec()))?;
    same(entry.meta().stamps.len(), 3)
}
