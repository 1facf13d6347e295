//! What an entry is, a value, a negative answer or a lease, is the entry's own to say: no store infers it, loses it or
//! treats one differently from the others.

use bytes::Bytes;
use larder_core::{
    Entry, Key, Result, Ttl,
    backend::{Condition, SetOptions},
    clock::Timestamp,
    entry::{Body, Kind, LEASE, Lifetime, Meta},
    envelope,
    key::StoreKey,
};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Direct,
};

family! { "kinds":
    every_kind_comes_back = "An entry comes back as what it was written as: a value, a negative answer, a lease.";
    every_kind_comes_back_of_many = "So it does from a bulk write and a bulk read.";
    a_touch_leaves_the_kind = "`touch` changes no kind.";
    an_overwrite_replaces_the_kind = "A write replaces the kind as well.";
    #[needs(CompareAndSet)] every_kind_has_a_token = "Conditions hold for leases and negative answers as for values.";
    a_lease_stands_in_the_way_of_an_add = "A lease is an entry like any other: it stands in the way of an add until it ends or is removed.";
    a_ttl_of_its_own_for_sliding_travels = "The TTL that a read gives an entry travels with it, and a touch leaves it.";
    #[needs(SeenBytes, Sharing)] the_kind_is_in_the_stored_bytes = "Where entries are bytes, these say the kind, to every process.";
    #[needs(Sharing)] another_process_sees_the_kind = "On a shared store another process sees the same kind.";
}

const KINDS: [Kind; 3] = [Kind::Value, Kind::Negative, Kind::Lease];

/// An entry of this kind, as the engine makes them.
pub(super) fn entry(t: &Context, kind: Kind, ttl: Ttl) -> Entry {
    let now = t.clock().now();
    let meta = Meta::new(now, Lifetime::until(ttl.expires(now))).with_kind(kind);
    let body = match kind {
        Kind::Lease => Body::raw(Bytes::new(), LEASE),
        _ => Body::raw(Bytes::from_static(b"v"), 0),
    };
    Entry::from_body(body, meta)
}

fn forever() -> SetOptions {
    SetOptions::new(Ttl::Never)
}

async fn kind(store: &Direct, key: &str) -> Result<Option<Kind>> {
    Ok(store.look_up(key).await?.entry().map(|entry| entry.kind()))
}

async fn put(t: &Context, store: &Direct, key: &str, kind: Kind) -> Verdict {
    same(store.put(&Key::new(key), &entry(t, kind, Ttl::Never), forever()).await?, true)
}

async fn every_kind_comes_back(t: &Context) -> Verdict {
    let store = t.direct();
    for written in KINDS {
        put(t, &store, "k", written).await?;
        same(kind(&store, "k").await?, Some(written))?;
    }
    Ok(())
}

async fn every_kind_comes_back_of_many(t: &Context) -> Verdict {
    let store = t.direct();
    let entries = KINDS.map(|kind| entry(t, kind, Ttl::Never));
    let items: Vec<_> = ["a", "b", "c"].into_iter().zip(&entries).collect();
    let written: Vec<_> = store.put_all(&items).await.into_iter().collect::<Result<_>>()?;
    same(written.iter().all(Option::is_some), true)?;
    same(
        store.kinds(&["a", "b", "c", "no"]).await?,
        [Some(Kind::Value), Some(Kind::Negative), Some(Kind::Lease), None],
    )
}

async fn a_touch_leaves_the_kind(t: &Context) -> Verdict {
    let store = t.direct();
    for written in KINDS {
        put(t, &store, "k", written).await?;
        same(store.touch("k", t.short() * 1000).await?, true)?;
        same(kind(&store, "k").await?, Some(written))?;
        same(store.touch_many(&[("k", Ttl::Never, Condition::Always)]).await.remove(0)?, true)?;
        same(kind(&store, "k").await?, Some(written))?;
    }
    Ok(())
}

async fn an_overwrite_replaces_the_kind(t: &Context) -> Verdict {
    let store = t.direct();
    for written in [Kind::Lease, Kind::Value, Kind::Negative, Kind::Lease, Kind::Negative, Kind::Value] {
        put(t, &store, "k", written).await?;
        same(kind(&store, "k").await?, Some(written))?;
    }
    Ok(())
}

async fn every_kind_has_a_token(t: &Context) -> Verdict {
    let store = t.direct();
    let key = Key::new("k");
    for written in KINDS {
        put(t, &store, "k", written).await?;
        let Some(first) = store.token("k").await? else {
            return Err(Failure::new("a hit, with its token", "a miss"));
        };
        let same_one = forever().when(Condition::Unchanged(first));
        same(store.put(&key, &entry(t, written, Ttl::Never), same_one).await?, true)?;
        same(store.put(&key, &entry(t, Kind::Value, Ttl::Never), same_one).await?, false)?;
        same(kind(&store, "k").await?, Some(written))?;
        same(store.delete_when("k", Condition::Unchanged(first)).await?, false)?;
        let second = store.token("k").await?.map_or(Condition::Absent, Condition::Unchanged);
        same(store.delete_when("k", second).await?, true)?;
        same(kind(&store, "k").await?, None)?;
    }
    Ok(())
}

async fn a_lease_stands_in_the_way_of_an_add(t: &Context) -> Verdict {
    let store = t.direct();
    let key = Key::new("k");
    let lease = entry(t, Kind::Lease, t.short().into());
    let add = SetOptions::new(t.short().into()).when(Condition::Absent);
    let work = || async {
        store.delete("k").await?;
        same(store.put(&key, &lease, add).await?, true)?;
        Ok(store.put(&key, &entry(t, Kind::Lease, Ttl::Never), forever().when(Condition::Absent)).await?)
    };
    same(t.within(t.short(), work).await?, false)?;
    t.outlive(t.short()).await;
    same(store.put(&key, &entry(t, Kind::Lease, Ttl::Never), forever().when(Condition::Absent)).await?, true)
}

async fn a_ttl_of_its_own_for_sliding_travels(t: &Context) -> Verdict {
    let store = t.direct();
    let plain = entry(t, Kind::Value, Ttl::Never);
    let slides = std::time::Duration::from_millis(86_400_001);
    let sliding = plain.with_meta(plain.meta().clone().with_slides(Some(slides)));
    same(store.put(&Key::new("k"), &sliding, forever()).await?, true)?;
    for _ in 0..2 {
        let found = store.look_up("k").await?.entry();
        same(found.and_then(|entry| entry.meta().slides()), Some(slides))?;
        same(store.touch("k", t.short() * 1000).await?, true)?;
    }
    same(store.put(&Key::new("k"), &plain, forever()).await?, true)?;
    let found = store.look_up("k").await?.entry();
    same(found.map(|entry| entry.meta().slides()), Some(None))
}

async fn the_kind_is_in_the_stored_bytes(t: &Context) -> Verdict {
    let store = t.direct();
    let key = Key::new("k");
    for written in KINDS {
        put(t, &store, "k", written).await?;
        let Some(bytes) = t.stored_bytes(&store.text_of(&key)).await else {
            return Err(Failure::new("bytes", "none"));
        };
        let read = envelope::read(&StoreKey::new(store.namespace(), &key), &bytes.into());
        same(
            read.map(|entry| (entry.kind(), entry.meta().lifetime.expires)),
            Ok((written, Timestamp::NEVER)),
        )?;
    }
    Ok(())
}

async fn another_process_sees_the_kind(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    for written in KINDS {
        put(t, &store, "k", written).await?;
        same(kind(&peer, "k").await?, Some(written))?;
    }
    Ok(())
}
