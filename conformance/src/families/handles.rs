//! Several handles and processes: what one does, alone or in bulk, the others see at once, alone and in bulk.

use larder_core::{
    Key, Ttl,
    backend::{Condition, CounterOptions},
    clock::Timestamp,
};

use super::ways::{
    Alone, HOWS, How, Many, does_nothing, is_absent, is_there, plain, token_of, touch_to, when,
};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Probe,
    value::Value,
};

matrix! { "handles":
    #[needs(Sharing)] a_peers_write_is_seen = "What another process writes is read, alone and in bulk." => a_write_is_seen(Condition::Always, Alone);
    #[needs(Sharing)] a_peers_bulk_write_is_seen = "What another process writes in bulk is read, alone and in bulk." => a_write_is_seen(Condition::Always, Many);
    #[needs(Sharing)] a_peers_replacement_is_seen = "What another process replaces is read as replaced." => a_write_is_seen(Condition::Present, Alone);
    #[needs(Sharing)] a_peers_bulk_replacement_is_seen = "What another process replaces in bulk is read as replaced." => a_write_is_seen(Condition::Present, Many);
    #[needs(Sharing, CompareAndSet)] a_peers_compare_and_set_voids_the_token = "What another process compares and sets is read, and the token from before is void here." => a_peer_compares(Alone);
    #[needs(Sharing, CompareAndSet)] a_peers_bulk_compare_and_set_voids_the_token = "What another process compares and sets in bulk is read, and the token from before is void here." => a_peer_compares(Many);
    #[needs(Sharing)] a_peers_add_refuses_ours = "What another process has added stands in the way of an add here, alone and in bulk." => a_peers_add_refuses(Alone);
    #[needs(Sharing)] a_peers_bulk_add_refuses_ours = "What another process has added in bulk stands in the way of an add here, alone and in bulk." => a_peers_add_refuses(Many);
    #[needs(Sharing)] a_peers_touch_is_seen = "What another process touches has its new TTL here." => a_touch_is_seen(Alone);
    #[needs(Sharing)] a_peers_bulk_touch_is_seen = "What another process touches in bulk has its new TTL here." => a_touch_is_seen(Many);
    #[needs(Sharing)] a_peers_delete_is_seen = "What another process removes is gone here, alone and in bulk." => a_delete_is_seen(Alone);
    #[needs(Sharing)] a_peers_bulk_delete_is_seen = "What another process removes in bulk is gone here, alone and in bulk." => a_delete_is_seen(Many);
    #[needs(Sharing, CompareAndSet)] a_token_is_good_for_a_peer = "A token that was read here is good for another process, to write, touch and remove." => a_token_travels(Alone);
    #[needs(Sharing, CompareAndSet)] a_token_is_good_for_a_peer_in_bulk = "A token that was read here is good for another process in bulk, to write, touch and remove." => a_token_travels(Many);
    #[needs(Sharing, Counting)] a_peers_steps_are_counted = "Steps of another process are counted here." => steps_are_counted();
    #[needs(Sharing)] a_peers_write_between_two_bulk_reads_is_seen = "What another process writes between two bulk reads of one handle is in the second." => between_two_bulk_reads();
    another_handles_write_is_seen = "What one cache sets, another on the same namespace reads, alone and in bulk." => another_handle_writes(Alone);
    another_handles_bulk_write_is_seen = "What one cache sets in bulk, another on the same namespace reads, alone and in bulk." => another_handle_writes(Many);
    another_handles_delete_is_seen = "What one cache deletes is gone for another on the same namespace, alone and in bulk." => another_handle_deletes(Alone);
    another_handles_bulk_delete_is_seen = "What one cache deletes in bulk is gone for another on the same namespace, alone and in bulk." => another_handle_deletes(Many);
    another_handles_write_between_two_bulk_reads_is_seen = "What another cache sets, adds or deletes between two bulk reads of one handle is in the second." => between_two_bulk_reads_of_a_cache();
}

async fn a_write_is_seen(t: &Context, condition: Condition, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    for (before, bytes) in [("first", "second"), ("third", "fourth")] {
        store.set("k", before, Ttl::Never).await?;
        same(peer.get_many(&["k", "no"]).await?, [Some(before.into()), None])?;
        let new = plain(t, bytes, t.short() * 1000);
        same(how.write(&peer, "k", &new, when(condition)).await?, true)?;
        is_there(&store, "k", &new, new.meta().lifetime).await?;
    }
    Ok(())
}

async fn a_peer_compares(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.set("k", "old", Ttl::Never).await?;
    let before = token_of(&store, "k").await?;
    let new = plain(t, "new", Ttl::Never);
    same(how.write(&peer, "k", &new, when(Condition::Unchanged(before))).await?, true)?;
    does_nothing(t, &store, "k", before).await?;
    is_there(&store, "k", &new, new.meta().lifetime).await
}

async fn a_peers_add_refuses(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    let theirs = plain(t, "theirs", Ttl::Never);
    same(how.write(&peer, "k", &theirs, when(Condition::Absent)).await?, true)?;
    for ours in HOWS {
        same(ours.write(&store, "k", &plain(t, "ours", Ttl::Never), when(Condition::Absent)).await?, false)?;
    }
    is_there(&store, "k", &theirs, theirs.meta().lifetime).await
}

async fn a_touch_is_seen(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    let entry = plain(t, "v", t.short() * 1000);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    for ttl in [Ttl::Never, Ttl::After(t.short() * 2000)] {
        let options = touch_to(t, ttl, Condition::Always);
        same(how.touch(&peer, "k", options).await?, true)?;
        is_there(&store, "k", &entry, options.lifetime).await?;
    }
    // And the end that the last touch gives.
    let touch = || async { Ok(how.touch(&peer, "k", touch_to(t, t.short(), Condition::Always)).await?) };
    same(t.within(t.short(), touch).await?, true)?;
    t.outlive(t.short()).await;
    is_absent(&store, "k").await
}

async fn a_delete_is_seen(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    for condition in [Condition::Always, Condition::Present] {
        store.set("k", "v", Ttl::Never).await?;
        same(how.delete(&peer, "k", condition).await?, true)?;
        is_absent(&store, "k").await?;
        same(store.delete("k").await?, false)?;
    }
    Ok(())
}

async fn a_token_travels(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.set("k", "old", Ttl::Never).await?;
    let first = Condition::Unchanged(token_of(&store, "k").await?);
    same(how.touch(&peer, "k", touch_to(t, t.short() * 1000, first)).await?, true)?;
    let new = plain(t, "new", Ttl::Never);
    same(how.write(&peer, "k", &new, when(first)).await?, true)?;
    let second = Condition::Unchanged(token_of(&store, "k").await?);
    same(how.delete(&peer, "k", first).await?, false)?;
    same(how.delete(&peer, "k", second).await?, true)?;
    is_absent(&store, "k").await
}

async fn steps_are_counted(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    let options = CounterOptions::new(Ttl::Never).with_initial(Some(40));
    same(store.count("n", 5, options).await?, Some(40))?;
    same(peer.count("n", 2, options).await?, Some(42))?;
    same(store.count("n", -1, options).await?, Some(41))?;
    same(peer.count("n", 0, options).await?, Some(41))
}

async fn between_two_bulk_reads(t: &Context) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    store.set("a", "1", Ttl::Never).await?;
    store.set("b", "1", Ttl::Never).await?;
    same(store.get_many(&["a", "b", "c"]).await?, [Some("1".into()), Some("1".into()), None])?;
    peer.set("a", "2", Ttl::Never).await?;
    peer.delete("b").await?;
    peer.set("c", "2", Ttl::Never).await?;
    same(store.get_many(&["a", "b", "c"]).await?, [Some("2".into()), None, Some("2".into())])?;
    peer.touch("a", Ttl::Never).await?;
    let seen = store.entries_of(&["a", "b"]).await?;
    let ends = seen.iter().map(|entry| entry.as_ref().map(|entry| entry.meta().lifetime.expires));
    same(ends.collect::<Vec<_>>(), [Some(Timestamp::NEVER), None])
}

/// Two caches of one namespace.
fn two(t: &Context) -> (Probe, Probe) {
    (t.cache_with("one", |builder| builder), t.cache_with("other", |builder| builder))
}

async fn many(cache: &Probe, names: &[&str]) -> Result<Vec<Option<Value>>, Failure> {
    let keys: Vec<Key> = names.iter().map(|name| Key::new(*name)).collect();
    Ok(cache.get_many(&keys).await?.into_iter().collect::<Result<_, _>>()?)
}

async fn another_handle_writes(t: &Context, how: How) -> Verdict {
    let (one, other) = two(t);
    for value in ["first", "second"] {
        if how == Alone {
            other.set("k", value).await?;
        } else {
            let items = ["a", "k"].map(|key| (Key::new(key), Value::from(value)));
            other.set_many(items.into()).await?.into_iter().collect::<Result<Vec<()>, _>>()?;
        }
        same(one.get("k").await?, Some(value.into()))?;
        same(many(&one, &["no", "k"]).await?, [None, Some(value.into())])?;
        same(one.add("k", "added").await?, false)?;
    }
    Ok(())
}

async fn another_handle_deletes(t: &Context, how: How) -> Verdict {
    let (one, other) = two(t);
    one.set("k", "v").await?;
    one.set("beside", "v").await?;
    if how == Alone {
        same(other.delete("k").await?, true)?;
    } else {
        let keys = ["no", "k"].map(Key::new);
        let removed: Result<Vec<bool>, _> = other.delete_many(&keys).await?.into_iter().collect();
        same(removed?, [false, true])?;
    }
    same(one.get("k").await?, None)?;
    same(many(&one, &["k", "beside"]).await?, [None, Some("v".into())])?;
    same(one.delete("k").await?, false)?;
    same(one.add("k", "added").await?, true)
}

async fn between_two_bulk_reads_of_a_cache(t: &Context) -> Verdict {
    let (one, other) = two(t);
    one.set("a", 1_i64).await?;
    one.set("b", 1_i64).await?;
    // The namespace's version is made before, also on the server that the key is on.
    one.set("c", 1_i64).await?;
    one.delete("c").await?;
    same(many(&one, &["a", "b", "c"]).await?, [Some(1.into()), Some(1.into()), None])?;
    other.set("a", 2_i64).await?;
    same(other.delete("b").await?, true)?;
    same(other.add("c", 2_i64).await?, true)?;
    same(many(&one, &["a", "b", "c"]).await?, [Some(2.into()), None, Some(2.into())])
}
