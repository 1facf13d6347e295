//! The hooks of a store's author: what peer, vandal and spy say and do must be so, or the cases that use them say nothing.

use bytes::Bytes;
use larder_core::{
    Key, Ttl,
    backend::Lookup,
    envelope,
    key::StoreKey,
    miss::{Miss, Undecodable},
};

use crate::{
    case::family,
    context::Context,
    failure::{Failure, Verdict, holds},
};

family! { "hooks":
    #[needs(SeenBytes)] the_spy_sees_what_was_written = "The spy sees an envelope of the entry that was written under the key, and its successor afterwards.";
    #[needs(SeenBytes)] the_spy_sees_nothing_where_nothing_is = "The spy sees nothing under a key that was never written, and under one that was removed.";
    #[needs(SeenBytes, ForeignBytes)] the_spy_sees_what_the_vandal_wrote = "The spy sees the vandal's bytes as they are.";
    #[needs(ForeignBytes)] the_vandals_bytes_reach_the_store = "The store finds the vandal's bytes under the key: a miss, because they are foreign.";
    #[needs(ForeignBytes)] the_vandal_leaves_the_neighbours = "The vandal writes under its key alone.";
    #[needs(Sharing)] the_peer_sees_what_was_written = "The peer sees at once what was written, and what it writes is seen.";
    #[needs(Sharing)] the_peer_is_a_connection_of_its_own = "A peer that is closed leaves the store open.";
    #[needs(InjectedClock)] the_clock_is_the_one_that_was_given = "The store counts time by the clock that its factory was given.";
}

async fn the_spy_sees_what_was_written(t: &Context) -> Verdict {
    let store = t.direct();
    let key = Key::new("k");
    for value in ["first", "second"] {
        store.set("k", value, Ttl::Never).await?;
        let seen = t.stored_bytes(&store.text_of(&key)).await.map(Bytes::from);
        let read = seen.as_ref().and_then(|bytes| {
            let entry = envelope::read(&StoreKey::new(store.namespace(), &key), bytes).ok()?;
            entry.encoded().map(|body| body.bytes.clone())
        });
        holds(read.as_deref() == Some(value.as_bytes()), "the spy to see the envelope of the entry", seen)?;
    }
    Ok(())
}

async fn the_spy_sees_nothing_where_nothing_is(t: &Context) -> Verdict {
    let store = t.direct();
    let place = store.text_of(&Key::new("k"));
    let seen = t.stored_bytes(&place).await;
    holds(seen.is_none(), "the spy to see nothing", seen)?;
    store.set("k", "v", Ttl::Never).await?;
    store.set("other", "v", Ttl::Never).await?;
    let seen = t.stored_bytes(&place).await;
    holds(seen.is_some(), "the spy to see what was written", seen)?;
    store.delete("k").await?;
    let seen = t.stored_bytes(&place).await;
    holds(seen.is_none(), "the spy to see nothing under a key that was removed", seen)
}

async fn the_spy_sees_what_the_vandal_wrote(t: &Context) -> Verdict {
    let store = t.direct();
    let place = store.text_of(&Key::new("k"));
    for bytes in [&b"of another program"[..], b"\0", &[0xff; 300]] {
        t.vandalize(&place, bytes).await;
        let seen = t.stored_bytes(&place).await;
        holds(seen.as_deref() == Some(bytes), "the spy to see the vandal's bytes", seen.map(Bytes::from))?;
    }
    Ok(())
}

async fn the_vandals_bytes_reach_the_store(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    t.vandalize(&store.text_of(&Key::new("k")), b"of another program").await;
    let seen = store.look_up("k").await?;
    let expected = "the vandal to put its bytes under the key, which the store then cannot read";
    holds(matches!(seen, Lookup::Miss(Miss::Undecodable(Undecodable::Foreign))), expected, seen)
}

async fn the_vandal_leaves_the_neighbours(t: &Context) -> Verdict {
    let store = t.direct();
    for key in ["k", "k1", "K"] {
        store.set(key, key, Ttl::Never).await?;
    }
    t.vandalize(&store.text_of(&Key::new("k")), b"of another program").await;
    let seen = store.get_many(&["k", "k1", "K"]).await?;
    let expected = "the vandal to put its bytes under the key, and nothing under its neighbours";
    holds(seen == [None, Some("k1".to_owned()), Some("K".to_owned())], expected, seen)
}

async fn the_peer_sees_what_was_written(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.set("k", "here", Ttl::Never).await?;
    let seen = peer.get("k").await?;
    holds(seen.as_deref() == Some("here"), "the peer to see what was written", seen)?;
    peer.set("k", "there", Ttl::Never).await?;
    let seen = store.get("k").await?;
    holds(seen.as_deref() == Some("there"), "the peer to write where the store reads", seen)?;
    peer.delete("k").await?;
    let seen = store.get("k").await?;
    holds(seen.is_none(), "the peer to remove what the store has", seen)
}

async fn the_peer_is_a_connection_of_its_own(t: &Context) -> Verdict {
    let store = t.direct();
    store.set("k", "v", Ttl::Never).await?;
    let peer = t.direct_peer();
    peer.close().await?;
    match store.get("k").await {
        Ok(Some(_)) => Ok(()),
        other => {
            Err(Failure::new("a store that stays open when its peer is closed", format_args!("{other:?}")))
        }
    }
}

async fn the_clock_is_the_one_that_was_given(t: &Context) -> Verdict {
    let store = t.direct();
    let life = t.short() * 1000;
    store.set("k", "v", life).await?;
    let before = store.get("k").await?;
    t.outlive(life).await;
    let after = store.get("k").await?;
    let expected =
        "the store to count time by the clock that it is given: a hit, and a miss once that clock was moved";
    holds(before.is_some() && after.is_none(), expected, (before, after))
}
