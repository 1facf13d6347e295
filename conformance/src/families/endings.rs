//! However an entry ended, by a removal alone or in bulk, by its token, or by its TTL, the same holds afterwards: it is
//! gone to every operation, its token is good for nothing, and what is written next has nothing of it.

use larder_core::{Ttl, backend::Condition, entry::Token};

use super::ways::{
    Alone, HOWS, How, Many, does_nothing, furnished, is_absent, is_there, plain, token_of, touch_to, when,
};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Direct,
};

use Ending::{ByToken, Expired, Removed, TouchedAndExpired};

matrix! { "endings":
    after_a_delete_nothing_is_read = "After a delete no way of reading finds anything." => nothing_is_read(Removed(Alone));
    after_a_bulk_delete_nothing_is_read = "After a bulk delete no way of reading finds anything." => nothing_is_read(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_nothing_is_read = "After a delete by token no way of reading finds anything." => nothing_is_read(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_nothing_is_read = "After a bulk delete by token no way of reading finds anything." => nothing_is_read(ByToken(Many));
    after_the_end_of_a_ttl_nothing_is_read = "After the end of its TTL no way of reading finds an entry." => nothing_is_read(Expired(Alone));
    after_the_end_of_a_bulk_ttl_nothing_is_read = "After the end of its TTL no way of reading finds an entry of a bulk write." => nothing_is_read(Expired(Many));
    after_the_end_of_a_touched_ttl_nothing_is_read = "After the end of the TTL that a touch gave no way of reading finds an entry." => nothing_is_read(TouchedAndExpired(Alone));
    after_the_end_of_a_bulk_touched_ttl_nothing_is_read = "After the end of the TTL that a bulk touch gave no way of reading finds an entry." => nothing_is_read(TouchedAndExpired(Many));

    after_a_delete_nothing_is_touched = "After a delete every way of touching is `false`, and brings nothing back." => nothing_is_touched(Removed(Alone));
    after_a_bulk_delete_nothing_is_touched = "After a bulk delete every way of touching is `false`, and brings nothing back." => nothing_is_touched(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_nothing_is_touched = "After a delete by token every way of touching is `false`, and brings nothing back." => nothing_is_touched(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_nothing_is_touched = "After a bulk delete by token every way of touching is `false`, and brings nothing back." => nothing_is_touched(ByToken(Many));
    after_the_end_of_a_ttl_nothing_is_touched = "After the end of its TTL every way of touching an entry is `false`, and does not bring it back." => nothing_is_touched(Expired(Alone));
    after_the_end_of_a_bulk_ttl_nothing_is_touched = "After the end of its TTL every way of touching an entry of a bulk write is `false`, and does not bring it back." => nothing_is_touched(Expired(Many));
    after_the_end_of_a_touched_ttl_nothing_is_touched = "After the end of the TTL that a touch gave every further touch is `false`, and brings nothing back." => nothing_is_touched(TouchedAndExpired(Alone));
    after_the_end_of_a_bulk_touched_ttl_nothing_is_touched = "After the end of the TTL that a bulk touch gave every further touch is `false`, and brings nothing back." => nothing_is_touched(TouchedAndExpired(Many));

    after_a_delete_nothing_is_removed = "After a delete every further removal is `false`." => nothing_is_removed(Removed(Alone));
    after_a_bulk_delete_nothing_is_removed = "After a bulk delete every further removal is `false`." => nothing_is_removed(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_nothing_is_removed = "After a delete by token every further removal is `false`." => nothing_is_removed(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_nothing_is_removed = "After a bulk delete by token every further removal is `false`." => nothing_is_removed(ByToken(Many));
    after_the_end_of_a_ttl_nothing_is_removed = "After the end of its TTL every removal of an entry is `false`." => nothing_is_removed(Expired(Alone));
    after_the_end_of_a_bulk_ttl_nothing_is_removed = "After the end of its TTL every removal of an entry of a bulk write is `false`." => nothing_is_removed(Expired(Many));
    after_the_end_of_a_touched_ttl_nothing_is_removed = "After the end of the TTL that a touch gave every removal is `false`." => nothing_is_removed(TouchedAndExpired(Alone));
    after_the_end_of_a_bulk_touched_ttl_nothing_is_removed = "After the end of the TTL that a bulk touch gave every removal is `false`." => nothing_is_removed(TouchedAndExpired(Many));

    after_a_delete_nothing_is_replaced = "After a delete a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(Removed(Alone));
    after_a_bulk_delete_nothing_is_replaced = "After a bulk delete a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_nothing_is_replaced = "After a delete by token a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_nothing_is_replaced = "After a bulk delete by token a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(ByToken(Many));
    after_the_end_of_a_ttl_nothing_is_replaced = "After the end of a TTL a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(Expired(Alone));
    after_the_end_of_a_bulk_ttl_nothing_is_replaced = "After the end of a bulk write's TTL a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(Expired(Many));
    after_the_end_of_a_touched_ttl_nothing_is_replaced = "After the end of the TTL that a touch gave a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(TouchedAndExpired(Alone));
    after_the_end_of_a_bulk_touched_ttl_nothing_is_replaced = "After the end of the TTL that a bulk touch gave a write that needs a live entry is `false`, alone and in bulk." => nothing_is_replaced(TouchedAndExpired(Many));

    #[needs(CompareAndSet)] after_a_delete_the_token_is_void = "After a delete the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(Removed(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_the_token_is_void = "After a bulk delete the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_the_token_is_void = "After a delete by token that token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_the_token_is_void = "After a bulk delete by token that token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(ByToken(Many));
    #[needs(CompareAndSet)] after_the_end_of_a_ttl_the_token_is_void = "After the end of a TTL the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(Expired(Alone));
    #[needs(CompareAndSet)] after_the_end_of_a_bulk_ttl_the_token_is_void = "After the end of a bulk write's TTL the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(Expired(Many));
    #[needs(CompareAndSet)] after_the_end_of_a_touched_ttl_the_token_is_void = "After the end of the TTL that a touch gave the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(TouchedAndExpired(Alone));
    #[needs(CompareAndSet)] after_the_end_of_a_bulk_touched_ttl_the_token_is_void = "After the end of the TTL that a bulk touch gave the old token writes, touches and removes nothing, alone and in bulk, also once the key is written again." => the_token_is_void(TouchedAndExpired(Many));

    after_a_delete_the_key_is_free = "After a delete an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(Removed(Alone));
    after_a_bulk_delete_the_key_is_free = "After a bulk delete an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(Removed(Many));
    #[needs(CompareAndSet)] after_a_delete_by_token_the_key_is_free = "After a delete by token an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(ByToken(Alone));
    #[needs(CompareAndSet)] after_a_bulk_delete_by_token_the_key_is_free = "After a bulk delete by token an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(ByToken(Many));
    after_the_end_of_a_ttl_the_key_is_free = "After the end of a TTL an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(Expired(Alone));
    after_the_end_of_a_bulk_ttl_the_key_is_free = "After the end of a bulk write's TTL an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(Expired(Many));
    after_the_end_of_a_touched_ttl_the_key_is_free = "After the end of the TTL that a touch gave an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(TouchedAndExpired(Alone));
    after_the_end_of_a_bulk_touched_ttl_the_key_is_free = "After the end of the TTL that a bulk touch gave an add succeeds once, alone and in bulk, and has nothing of the old entry." => the_key_is_free(TouchedAndExpired(Many));
}

/// How an entry ended.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Removed(How),
    ByToken(How),
    /// It was written so, and its TTL is over.
    Expired(How),
    /// It was touched so, and the new TTL is over.
    TouchedAndExpired(How),
}

/// Writes an entry under this key and lets it end; gives the token that it had.
async fn end(t: &Context, store: &Direct, key: &str, ending: Ending) -> Result<Token, Failure> {
    let endless = furnished(t, "old", Ttl::Never);
    match ending {
        Removed(how) => {
            same(how.write(store, key, &endless, when(Condition::Always)).await?, true)?;
            let token = token_of(store, key).await?;
            same(how.delete(store, key, Condition::Always).await?, true)?;
            Ok(token)
        }
        ByToken(how) => {
            same(how.write(store, key, &endless, when(Condition::Always)).await?, true)?;
            let token = token_of(store, key).await?;
            same(how.delete(store, key, Condition::Unchanged(token)).await?, true)?;
            Ok(token)
        }
        Expired(how) => {
            let life = Ttl::After(t.short());
            let write = || async {
                let options = larder_core::backend::SetOptions::new(life);
                same(how.write(store, key, &furnished(t, "old", life), options).await?, true)?;
                token_of(store, key).await
            };
            let token = t.within(t.short(), write).await?;
            t.outlive(t.short()).await;
            Ok(token)
        }
        TouchedAndExpired(how) => {
            let touch = || async {
                same(how.write(store, key, &endless, when(Condition::Always)).await?, true)?;
                same(how.touch(store, key, touch_to(t, t.short(), Condition::Always)).await?, true)?;
                token_of(store, key).await
            };
            let token = t.within(t.short(), touch).await?;
            t.outlive(t.short()).await;
            Ok(token)
        }
    }
}

async fn nothing_is_read(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    end(t, &store, "k", ending).await?;
    is_absent(&store, "k").await?;
    // What was written beside it tells a miss from a store that finds nothing.
    store.set("beside", "v", Ttl::Never).await?;
    same(store.get_many(&["k", "beside"]).await?, [None, Some("v".into())])
}

async fn nothing_is_touched(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    end(t, &store, "k", ending).await?;
    for condition in [Condition::Always, Condition::Present] {
        for how in HOWS {
            same(how.touch(&store, "k", touch_to(t, Ttl::Never, condition)).await?, false)?;
            is_absent(&store, "k").await?;
        }
    }
    Ok(())
}

async fn nothing_is_removed(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    end(t, &store, "k", ending).await?;
    // In bulk first: an entry that is over may go with the first removal.
    for condition in [Condition::Present, Condition::Always, Condition::Always] {
        for how in [Many, Alone] {
            same(how.delete(&store, "k", condition).await?, false)?;
        }
    }
    is_absent(&store, "k").await
}

async fn nothing_is_replaced(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    end(t, &store, "k", ending).await?;
    for how in HOWS {
        let new = plain(t, "new", Ttl::Never);
        same(how.write(&store, "k", &new, when(Condition::Present)).await?, false)?;
        is_absent(&store, "k").await?;
    }
    Ok(())
}

async fn the_token_is_void(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    let token = end(t, &store, "k", ending).await?;
    does_nothing(t, &store, "k", token).await?;
    is_absent(&store, "k").await?;
    let new = plain(t, "new", Ttl::Never);
    same(Alone.write(&store, "k", &new, when(Condition::Always)).await?, true)?;
    does_nothing(t, &store, "k", token).await?;
    is_there(&store, "k", &new, new.meta().lifetime).await
}

async fn the_key_is_free(t: &Context, ending: Ending) -> Verdict {
    let store = t.direct();
    for (how, key) in [(Alone, "alone"), (Many, "many")] {
        end(t, &store, key, ending).await?;
        let new = plain(t, "new", Ttl::Never);
        same(how.write(&store, key, &new, when(Condition::Absent)).await?, true)?;
        is_there(&store, key, &new, new.meta().lifetime).await?;
        let second = plain(t, "second", Ttl::Never);
        same(how.write(&store, key, &second, when(Condition::Absent)).await?, false)?;
        is_there(&store, key, &new, new.meta().lifetime).await?;
    }
    Ok(())
}
