//! To a store an entry that is stale, negative or a lease is an entry like any other: it is there, alone and in bulk, until
//! it ends or somebody changes it.

use std::time::Duration;

use bytes::Bytes;
use larder_core::{
    Entry, Ttl,
    backend::Condition,
    clock::Timestamp,
    entry::{Body, Kind, LEASE, Lifetime, Meta},
};

use super::ways::{Alone, HOWS, How, Many, is_absent, is_there, plain, token_of, touch_to, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Direct,
};

use State::{Lease, Negative, Stale};

matrix! { "states":
    a_stale_entry_is_read = "A store gives a stale entry, with its moments, to every way of reading." => it_is_read(Stale);
    a_negative_entry_is_read = "A store gives a negative answer to every way of reading." => it_is_read(Negative);
    a_lease_is_read = "A store gives a lease to every way of reading." => it_is_read(Lease);

    a_stale_entry_refuses_an_add = "A stale entry is live: the store's add is refused." => it_refuses_an_add(Stale, Alone);
    a_stale_entry_refuses_a_bulk_add = "A stale entry is live: the store's add in bulk is refused." => it_refuses_an_add(Stale, Many);
    a_negative_entry_refuses_an_add = "A negative answer is live: the store's add is refused." => it_refuses_an_add(Negative, Alone);
    a_negative_entry_refuses_a_bulk_add = "A negative answer is live: the store's add in bulk is refused." => it_refuses_an_add(Negative, Many);
    a_lease_refuses_an_add = "A lease is live: the store's add is refused." => it_refuses_an_add(Lease, Alone);
    a_lease_refuses_a_bulk_add = "A lease is live: the store's add in bulk is refused." => it_refuses_an_add(Lease, Many);

    a_stale_entry_is_replaced = "A stale entry is live: a write that needs one replaces it." => it_is_replaced(Stale, Alone);
    a_stale_entry_is_replaced_in_bulk = "A stale entry is live: a bulk write that needs one replaces it." => it_is_replaced(Stale, Many);
    a_negative_entry_is_replaced = "A negative answer is live: a write that needs an entry replaces it." => it_is_replaced(Negative, Alone);
    a_negative_entry_is_replaced_in_bulk = "A negative answer is live: a bulk write that needs an entry replaces it." => it_is_replaced(Negative, Many);
    a_lease_is_replaced = "A lease is live: a write that needs an entry replaces it." => it_is_replaced(Lease, Alone);
    a_lease_is_replaced_in_bulk = "A lease is live: a bulk write that needs an entry replaces it." => it_is_replaced(Lease, Many);

    #[needs(CompareAndSet)] a_stale_entry_is_compared = "A stale entry is written, touched and removed by its token." => it_is_known_by_its_token(Stale, Alone);
    #[needs(CompareAndSet)] a_stale_entry_is_compared_in_bulk = "A stale entry is written, touched and removed by its token in bulk." => it_is_known_by_its_token(Stale, Many);
    #[needs(CompareAndSet)] a_negative_entry_is_compared = "A negative answer is written, touched and removed by its token." => it_is_known_by_its_token(Negative, Alone);
    #[needs(CompareAndSet)] a_negative_entry_is_compared_in_bulk = "A negative answer is written, touched and removed by its token in bulk." => it_is_known_by_its_token(Negative, Many);
    #[needs(CompareAndSet)] a_lease_is_compared = "A lease is written, touched and removed by its token." => it_is_known_by_its_token(Lease, Alone);
    #[needs(CompareAndSet)] a_lease_is_compared_in_bulk = "A lease is written, touched and removed by its token in bulk." => it_is_known_by_its_token(Lease, Many);

    a_stale_entry_is_touched = "A stale entry is touched, and stays what it is." => it_is_touched(Stale, Alone);
    a_stale_entry_is_touched_in_bulk = "A stale entry is touched in bulk, and stays what it is." => it_is_touched(Stale, Many);
    a_negative_entry_is_touched = "A negative answer is touched, and stays what it is." => it_is_touched(Negative, Alone);
    a_negative_entry_is_touched_in_bulk = "A negative answer is touched in bulk, and stays what it is." => it_is_touched(Negative, Many);
    a_lease_is_touched = "A lease is touched, and stays what it is." => it_is_touched(Lease, Alone);
    a_lease_is_touched_in_bulk = "A lease is touched in bulk, and stays what it is." => it_is_touched(Lease, Many);

    a_stale_entry_is_removed = "Removing a stale entry is `true`, once." => it_is_removed(Stale, Alone);
    a_stale_entry_is_removed_in_bulk = "Removing a stale entry in bulk is `true`, once." => it_is_removed(Stale, Many);
    a_negative_entry_is_removed = "Removing a negative answer is `true`, once." => it_is_removed(Negative, Alone);
    a_negative_entry_is_removed_in_bulk = "Removing a negative answer in bulk is `true`, once." => it_is_removed(Negative, Many);
    a_lease_is_removed = "Removing a lease is `true`, once." => it_is_removed(Lease, Alone);
    a_lease_is_removed_in_bulk = "Removing a lease in bulk is `true`, once." => it_is_removed(Lease, Many);
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Its fresh part is over, and its stale part is not.
    Stale,
    Negative,
    Lease,
}

/// An entry in this state that lives for hours.
fn entry(t: &Context, state: State) -> Entry {
    let now = t.clock().now();
    let end = now.plus(Duration::from_hours(2));
    let before = Timestamp::from_millis(now.as_millis() - 5000);
    let value = Body::raw(Bytes::from_static(b"v"), 0);
    match state {
        Stale => {
            let over = Timestamp::from_millis(now.as_millis() - 1000);
            Entry::from_body(value, Meta::new(before, Lifetime::new(over, end)))
        }
        Negative => {
            Entry::from_body(value, Meta::new(before, Lifetime::until(end)).with_kind(Kind::Negative))
        }
        Lease => {
            let meta = Meta::new(before, Lifetime::until(end)).with_kind(Kind::Lease);
            Entry::from_body(Body::raw(Bytes::new(), LEASE), meta)
        }
    }
}

/// The entry, which was written under "k" in this way.
async fn put(t: &Context, store: &Direct, state: State, how: How) -> Result<Entry, Failure> {
    let entry = entry(t, state);
    let options = larder_core::backend::SetOptions::new(Duration::from_hours(2).into());
    same(how.write(store, "k", &entry, options).await?, true)?;
    Ok(entry)
}

async fn it_is_read(t: &Context, state: State) -> Verdict {
    let store = t.direct();
    for how in HOWS {
        let entry = put(t, &store, state, how).await?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
    }
    Ok(())
}

async fn it_refuses_an_add(t: &Context, state: State, how: How) -> Verdict {
    let store = t.direct();
    let entry = put(t, &store, state, how).await?;
    same(how.write(&store, "k", &plain(t, "added", Ttl::Never), when(Condition::Absent)).await?, false)?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn it_is_replaced(t: &Context, state: State, how: How) -> Verdict {
    let store = t.direct();
    put(t, &store, state, how).await?;
    let new = plain(t, "new", Ttl::Never);
    same(how.write(&store, "k", &new, when(Condition::Present)).await?, true)?;
    is_there(&store, "k", &new, new.meta().lifetime).await
}

async fn it_is_known_by_its_token(t: &Context, state: State, how: How) -> Verdict {
    let store = t.direct();
    put(t, &store, state, how).await?;
    let first = Condition::Unchanged(token_of(&store, "k").await?);
    same(how.touch(&store, "k", touch_to(t, Ttl::Never, first)).await?, true)?;
    let next = entry(t, state);
    same(how.write(&store, "k", &next, when(first)).await?, true)?;
    same(how.write(&store, "k", &next, when(first)).await?, false)?;
    same(how.touch(&store, "k", touch_to(t, Ttl::Never, first)).await?, false)?;
    same(how.delete(&store, "k", first).await?, false)?;
    let second = Condition::Unchanged(token_of(&store, "k").await?);
    same(how.delete(&store, "k", second).await?, true)?;
    is_absent(&store, "k").await
}

async fn it_is_touched(t: &Context, state: State, how: How) -> Verdict {
    let store = t.direct();
    let entry = put(t, &store, state, how).await?;
    let options = touch_to(t, Duration::from_mins(150), Condition::Always);
    same(how.touch(&store, "k", options).await?, true)?;
    is_there(&store, "k", &entry, options.lifetime).await
}

async fn it_is_removed(t: &Context, state: State, how: How) -> Verdict {
    let store = t.direct();
    put(t, &store, state, how).await?;
    same(how.delete(&store, "k", Condition::Always).await?, true)?;
    is_absent(&store, "k").await?;
    same(how.delete(&store, "k", Condition::Always).await?, false)
}
