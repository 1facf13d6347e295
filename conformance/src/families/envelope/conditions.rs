//! The store itself over bytes that it cannot read: nothing but a write without a condition and a delete without one
//! changes them, alone and in bulk.

use larder_core::{Key, Ttl, backend::Condition, entry::Token, envelope::Envelope, key::StoreKey};

use super::{
    super::ways::{Alone, How, Many, is_absent, plain, touch_to, when},
    is_stored, put,
};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, holds, same},
    probe::Direct,
};

use Bytes::{Foreign, Newer};

matrix! { "envelope":
    #[needs(ForeignBytes, SeenBytes)] the_stores_touch_leaves_foreign_bytes = "A store's touch of foreign bytes is `false` and leaves them." => a_touch_leaves_them(Foreign, Alone);
    #[needs(ForeignBytes, SeenBytes)] the_stores_bulk_touch_leaves_foreign_bytes = "A store's bulk touch of foreign bytes is `false` and leaves them." => a_touch_leaves_them(Foreign, Many);
    #[needs(ForeignBytes, SeenBytes)] the_stores_touch_leaves_a_future_version = "A store's touch of a newer program's envelope is `false` and leaves it." => a_touch_leaves_them(Newer, Alone);
    #[needs(ForeignBytes, SeenBytes)] the_stores_bulk_touch_leaves_a_future_version = "A store's bulk touch of a newer program's envelope is `false` and leaves it." => a_touch_leaves_them(Newer, Many);
    #[needs(ForeignBytes, SeenBytes, CompareAndSet)] a_wrong_token_writes_nothing_over_foreign_bytes = "A compare-and-set by any token leaves foreign bytes." => a_wrong_token_leaves_them(Foreign, Alone);
    #[needs(ForeignBytes, SeenBytes, CompareAndSet)] a_wrong_token_in_bulk_writes_nothing_over_foreign_bytes = "Conditions by any token in bulk leave foreign bytes." => a_wrong_token_leaves_them(Foreign, Many);
    #[needs(ForeignBytes, SeenBytes, CompareAndSet)] a_wrong_token_writes_nothing_over_a_future_version = "Conditions by another token leave a newer program's envelope." => a_wrong_token_leaves_them(Newer, Alone);
    #[needs(ForeignBytes, SeenBytes, CompareAndSet)] a_wrong_token_in_bulk_writes_nothing_over_a_future_version = "Conditions by another token in bulk leave a newer program's envelope." => a_wrong_token_leaves_them(Newer, Many);
    #[needs(ForeignBytes, SeenBytes)] a_bulk_read_leaves_foreign_bytes = "A bulk read finds nothing in foreign bytes and leaves them." => a_read_leaves_them(Foreign, Many);
    #[needs(ForeignBytes, SeenBytes)] a_bulk_read_leaves_a_future_version = "A bulk read finds nothing in a newer program's envelope and leaves it." => a_read_leaves_them(Newer, Many);
    #[needs(ForeignBytes)] a_bulk_write_replaces_a_future_version = "A bulk write without a condition replaces a newer program's envelope." => a_write_replaces_them(Newer, Many);
    #[needs(ForeignBytes)] a_bulk_write_of_the_store_replaces_foreign_bytes = "A bulk write without a condition replaces foreign bytes." => a_write_replaces_them(Foreign, Many);
    #[needs(ForeignBytes)] a_bulk_delete_removes_a_future_version = "A bulk delete without a condition removes a newer program's envelope." => a_delete_removes_them(Newer, Many);
    #[needs(ForeignBytes)] a_bulk_delete_of_the_store_removes_foreign_bytes = "A bulk delete without a condition removes foreign bytes." => a_delete_removes_them(Foreign, Many);
    #[needs(ForeignBytes)] the_stores_delete_removes_foreign_bytes = "A delete without a condition removes foreign bytes." => a_delete_removes_them(Foreign, Alone);
    #[needs(ForeignBytes)] the_stores_write_replaces_a_future_version = "A write without a condition replaces a newer program's envelope." => a_write_replaces_them(Newer, Alone);
}

#[derive(Debug, Clone, Copy)]
enum Bytes {
    Foreign,
    /// An envelope of this very key, of a newer version.
    Newer,
}

async fn there(t: &Context, store: &Direct, bytes: Bytes) -> Result<Vec<u8>, Failure> {
    let key = Key::new("k");
    let bytes = match bytes {
        Foreign => {
            b"of another program, and longer than the head of an envelope, which has 96 bytes and not one of \
                     them is like any of these, so that nothing here can be taken for a token"
                .to_vec()
        }
        Newer => {
            let entry = plain(t, "of a newer program", Ttl::Never);
            let place = StoreKey::new(store.namespace(), &key);
            let mut bytes = Envelope::write(&place, &entry).await?.to_bytes().to_vec();
            bytes[4] = 2;
            bytes
        }
    };
    put(t, &key, &bytes).await;
    Ok(bytes)
}

async fn a_touch_leaves_them(t: &Context, bytes: Bytes, how: How) -> Verdict {
    let store = t.direct();
    let bytes = there(t, &store, bytes).await?;
    same(how.touch(&store, "k", touch_to(t, Ttl::Never, Condition::Always)).await?, false)?;
    same(how.touch(&store, "k", touch_to(t, t.short() * 1000, Condition::Present)).await?, false)?;
    is_stored(t, &Key::new("k"), &bytes).await
}

async fn a_wrong_token_leaves_them(t: &Context, bytes: Bytes, how: How) -> Verdict {
    let store = t.direct();
    let bytes = there(t, &store, bytes).await?;
    for token in [Token(1), Token(0x0123_4567_89ab_cdef), Token(u64::MAX)] {
        let wrong = Condition::Unchanged(token);
        same(how.write(&store, "k", &plain(t, "v", Ttl::Never), when(wrong)).await?, false)?;
        same(how.touch(&store, "k", touch_to(t, Ttl::Never, wrong)).await?, false)?;
        same(how.delete(&store, "k", wrong).await?, false)?;
    }
    is_stored(t, &Key::new("k"), &bytes).await
}

async fn a_read_leaves_them(t: &Context, bytes: Bytes, how: How) -> Verdict {
    let store = t.direct();
    let bytes = there(t, &store, bytes).await?;
    let seen = how.read(&store, "k").await?;
    holds(seen.is_none(), "nothing that can be read", &seen)?;
    is_stored(t, &Key::new("k"), &bytes).await
}

async fn a_write_replaces_them(t: &Context, bytes: Bytes, how: How) -> Verdict {
    let store = t.direct();
    there(t, &store, bytes).await?;
    let new = plain(t, "new", Ttl::Never);
    same(how.write(&store, "k", &new, when(Condition::Always)).await?, true)?;
    same(store.get_many(&["k", "no"]).await?, [Some("new".into()), None])
}

async fn a_delete_removes_them(t: &Context, bytes: Bytes, how: How) -> Verdict {
    let store = t.direct();
    there(t, &store, bytes).await?;
    how.delete(&store, "k", Condition::Always).await?;
    is_absent(&store, "k").await?;
    same(how.write(&store, "k", &plain(t, "added", Ttl::Never), when(Condition::Absent)).await?, true)
}
