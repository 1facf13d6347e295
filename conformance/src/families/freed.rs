//! What has ended is freed, however it ended; what has not is not. Seen in the stored bytes, without a read.

use larder_core::{
    Key, Ttl,
    backend::{Condition, SetOptions},
};

use super::ways::{Alone, How, Many, plain, token_of, touch_to, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Verdict, holds, same},
    probe::Direct,
};

use End::{Added, Deleted, DeletedByToken, Overwritten, Replaced, Touched, Written};

matrix! { "freed":
    #[needs(SeenBytes)] what_was_deleted_is_freed = "What was deleted is freed at once." => it_is_freed(Deleted, Alone);
    #[needs(SeenBytes)] what_was_deleted_in_bulk_is_freed = "What was deleted in bulk is freed at once." => it_is_freed(Deleted, Many);
    #[needs(SeenBytes, CompareAndSet)] what_was_deleted_by_token_is_freed = "What was deleted by its token is freed at once." => it_is_freed(DeletedByToken, Alone);
    #[needs(SeenBytes, CompareAndSet)] what_was_deleted_by_token_in_bulk_is_freed = "What was deleted by its token in bulk is freed at once." => it_is_freed(DeletedByToken, Many);
    #[needs(SeenBytes)] what_was_written_in_bulk_is_freed_at_its_end = "What was written in bulk is freed once its TTL is over." => it_is_freed(Written, Many);
    #[needs(SeenBytes)] what_was_added_is_freed_at_its_end = "What was added is freed once its TTL is over." => it_is_freed(Added, Alone);
    #[needs(SeenBytes)] what_was_added_in_bulk_is_freed_at_its_end = "What was added in bulk is freed once its TTL is over." => it_is_freed(Added, Many);
    #[needs(SeenBytes)] what_was_overwritten_is_freed_at_its_end = "What replaced an endless entry is freed once its TTL is over." => it_is_freed(Overwritten, Alone);
    #[needs(SeenBytes)] what_was_overwritten_in_bulk_is_freed_at_its_end = "What replaced an endless entry in bulk is freed once its TTL is over." => it_is_freed(Overwritten, Many);
    #[needs(SeenBytes)] what_was_replaced_is_freed_at_its_end = "What a conditional write put in place of an endless entry is freed once its TTL is over." => it_is_freed(Replaced, Alone);
    #[needs(SeenBytes)] what_was_touched_is_freed_at_its_end = "What was touched is freed once its new TTL is over." => it_is_freed(Touched, Alone);
    #[needs(SeenBytes)] what_was_touched_in_bulk_is_freed_at_its_end = "What was touched in bulk is freed once its new TTL is over." => it_is_freed(Touched, Many);
    #[needs(SeenBytes)] a_longer_touch_keeps_it = "What was touched to a longer TTL is not freed at its old end." => a_touch_keeps_it(Alone);
    #[needs(SeenBytes)] a_longer_touch_in_bulk_keeps_it = "What was touched to a longer TTL in bulk is not freed at its old end." => a_touch_keeps_it(Many);
    #[needs(SeenBytes)] an_overwrite_keeps_it = "What was overwritten with a longer TTL is not freed at the old end." => an_overwrite_keeps_it(Alone);
    #[needs(SeenBytes)] an_overwrite_in_bulk_keeps_it = "What was overwritten with a longer TTL in bulk is not freed at the old end." => an_overwrite_keeps_it(Many);
}

/// How an entry ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Deleted,
    DeletedByToken,
    Written,
    Added,
    Overwritten,
    Replaced,
    Touched,
}

async fn is_stored(t: &Context, store: &Direct) -> Result<bool, crate::failure::Failure> {
    Ok(t.stored_bytes(&store.text_of(&Key::new("k"))).await.is_some())
}

async fn it_is_freed(t: &Context, end: End, how: How) -> Verdict {
    let store = t.direct();
    let endless = plain(t, "endless", Ttl::Never);
    let short = SetOptions::new(t.short().into());
    let begin = || async {
        store.delete("k").await?;
        if !matches!(end, Written | Added) {
            same(how.write(&store, "k", &endless, when(Condition::Always)).await?, true)?;
        }
        let entry = plain(t, "v", t.short());
        let options = match end {
            Added => short.when(Condition::Absent),
            Replaced => short.when(Condition::Present),
            _ => short,
        };
        match end {
            Deleted | DeletedByToken => {}
            Touched => {
                let options = touch_to(t, t.short(), Condition::Always);
                same(how.touch(&store, "k", options).await?, true)?;
            }
            Written | Added | Overwritten | Replaced => {
                same(how.write(&store, "k", &entry, options).await?, true)?;
            }
        }
        is_stored(t, &store).await
    };
    let before = t.within(t.short(), begin).await?;
    holds(before, "bytes under the key while the entry is there", before)?;
    match end {
        Deleted => same(how.delete(&store, "k", Condition::Always).await?, true)?,
        DeletedByToken => {
            let token = token_of(&store, "k").await?;
            same(how.delete(&store, "k", Condition::Unchanged(token)).await?, true)?;
        }
        _ => t.outlive(t.short()).await,
    }
    let after = is_stored(t, &store).await?;
    holds(!after, "no bytes under the key once the entry has ended", after)
}

async fn a_touch_keeps_it(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let touch = || async {
        store.set("k", "v", t.short()).await?;
        Ok(how.touch(&store, "k", touch_to(t, Ttl::Never, Condition::Always)).await?)
    };
    same(t.within(t.short(), touch).await?, true)?;
    t.outlive(t.short()).await;
    let after = is_stored(t, &store).await?;
    holds(after, "bytes under the key, which was touched", after)
}

async fn an_overwrite_keeps_it(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    store.set("k", "old", t.short()).await?;
    same(how.write(&store, "k", &plain(t, "new", Ttl::Never), when(Condition::Always)).await?, true)?;
    t.outlive(t.short()).await;
    let after = is_stored(t, &store).await?;
    holds(after, "bytes under the key, which was overwritten", after)
}
