//! Every field of what is known about a value is what was written, whichever way it was written, and is left by whatever
//! does not write it.

use std::time::Duration;

use larder_core::{
    Entry, Ttl,
    backend::{Condition, TouchOptions},
    entry::{Lifetime, Token},
};

use super::ways::{Alone, How, Many, furnished, is_there, plain, token_of, touch_to, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Direct,
};

use Write::{Add, Compare, Replace, Set, SetOverOther};

matrix! { "metadata":
    a_set_writes_every_field = "A write on a free key keeps every field of the entry." => every_field_is_written(Set, Alone);
    a_bulk_set_writes_every_field = "A bulk write on a free key keeps every field of the entry." => every_field_is_written(Set, Many);
    an_overwrite_writes_every_field = "An overwrite replaces every field." => every_field_is_written(SetOverOther, Alone);
    a_bulk_overwrite_writes_every_field = "A bulk overwrite replaces every field." => every_field_is_written(SetOverOther, Many);
    an_add_writes_every_field = "An add keeps every field of the entry." => every_field_is_written(Add, Alone);
    a_bulk_add_writes_every_field = "An add in bulk keeps every field of the entry." => every_field_is_written(Add, Many);
    a_replacement_writes_every_field = "A write that needs a live entry replaces every field." => every_field_is_written(Replace, Alone);
    a_bulk_replacement_writes_every_field = "A bulk write that needs a live entry replaces every field." => every_field_is_written(Replace, Many);
    #[needs(CompareAndSet)] a_compare_and_set_writes_every_field = "A compare-and-set replaces every field." => every_field_is_written(Compare, Alone);
    #[needs(CompareAndSet)] a_bulk_compare_and_set_writes_every_field = "A compare-and-set in bulk replaces every field." => every_field_is_written(Compare, Many);

    an_overwrite_leaves_nothing = "An overwrite by a plain entry leaves nothing of the one before." => nothing_is_left(SetOverOther, Alone);
    a_bulk_overwrite_leaves_nothing = "A bulk overwrite by a plain entry leaves nothing of the one before." => nothing_is_left(SetOverOther, Many);
    a_replacement_leaves_nothing = "A write that needs a live entry leaves nothing of the one before." => nothing_is_left(Replace, Alone);
    a_bulk_replacement_leaves_nothing = "A bulk write that needs a live entry leaves nothing of the one before." => nothing_is_left(Replace, Many);
    #[needs(CompareAndSet)] a_compare_and_set_leaves_nothing = "A compare-and-set leaves nothing of the entry before." => nothing_is_left(Compare, Alone);
    #[needs(CompareAndSet)] a_bulk_compare_and_set_leaves_nothing = "A compare-and-set in bulk leaves nothing of the entry before." => nothing_is_left(Compare, Many);

    a_touch_changes_the_lifetime_alone = "A touch replaces both moments of the lifetime, and no other field." => a_touch_keeps_the_rest(Condition::Always, Alone);
    a_bulk_touch_changes_the_lifetime_alone = "A bulk touch replaces both moments of the lifetime, and no other field." => a_touch_keeps_the_rest(Condition::Always, Many);
    a_touch_of_what_is_present_changes_the_lifetime_alone = "A touch that needs a live entry replaces both moments of the lifetime, and no other field." => a_touch_keeps_the_rest(Condition::Present, Alone);
    a_bulk_touch_of_what_is_present_changes_the_lifetime_alone = "A bulk touch that needs a live entry replaces both moments of the lifetime, and no other field." => a_touch_keeps_the_rest(Condition::Present, Many);
    #[needs(CompareAndSet)] a_touch_by_token_changes_the_lifetime_alone = "A touch by token replaces both moments of the lifetime, and no other field." => a_touch_by_token_keeps_the_rest(Alone);
    #[needs(CompareAndSet)] a_bulk_touch_by_token_changes_the_lifetime_alone = "A bulk touch by token replaces both moments of the lifetime, and no other field." => a_touch_by_token_keeps_the_rest(Many);
    a_touched_entry_has_a_stale_part = "A touch may give an entry a stale part, and take it away." => a_touch_sets_the_stale_part(Alone);
    a_touched_entry_of_many_has_a_stale_part = "A bulk touch may give an entry a stale part, and take it away." => a_touch_sets_the_stale_part(Many);

    a_refused_add_changes_no_field = "An add that is refused changes no field of what is there." => a_refusal_changes_nothing(Condition::Absent, Alone);
    a_refused_bulk_add_changes_no_field = "An add in bulk that is refused changes no field of what is there." => a_refusal_changes_nothing(Condition::Absent, Many);
    #[needs(CompareAndSet)] a_refused_compare_and_set_changes_no_field = "A compare-and-set that is refused changes no field of what is there." => a_refusal_changes_nothing(Condition::Unchanged(NOBODYS), Alone);
    #[needs(CompareAndSet)] a_refused_bulk_compare_and_set_changes_no_field = "A compare-and-set in bulk that is refused changes no field of what is there." => a_refusal_changes_nothing(Condition::Unchanged(NOBODYS), Many);
    #[needs(CompareAndSet)] a_refused_touch_changes_no_field = "A touch by another token changes no field of what is there." => a_refused_touch_changes_nothing(Alone);
    #[needs(CompareAndSet)] a_refused_bulk_touch_changes_no_field = "A bulk touch by another token changes no field of what is there." => a_refused_touch_changes_nothing(Many);
    #[needs(CompareAndSet)] a_refused_delete_changes_no_field = "A delete by another token changes no field of what is there." => a_refused_delete_changes_nothing(Alone);
    #[needs(CompareAndSet)] a_refused_bulk_delete_changes_no_field = "A bulk delete by another token changes no field of what is there." => a_refused_delete_changes_nothing(Many);

    #[needs(Sharing)] a_peer_sees_every_field = "Another process sees every field of what was written." => a_peer_sees_it(Alone);
    #[needs(Sharing)] a_peer_sees_every_field_of_a_bulk_write = "Another process sees every field of what was written in bulk." => a_peer_sees_it(Many);
}

/// A token that no entry here has.
const NOBODYS: Token = Token(0x0123_4567_89ab_cdef);

#[derive(Debug, Clone, Copy)]
enum Write {
    Set,
    SetOverOther,
    Add,
    Replace,
    Compare,
}

/// Writes this entry in this way; where the way needs another one before it, that is written first.
async fn write(store: &Direct, way: Write, how: How, before: &Entry, entry: &Entry) -> Result<(), Failure> {
    if !matches!(way, Set | Add) {
        same(how.write(store, "k", before, when(Condition::Always)).await?, true)?;
    }
    let condition = match way {
        Set | SetOverOther => Condition::Always,
        Add => Condition::Absent,
        Replace => Condition::Present,
        Compare => Condition::Unchanged(token_of(store, "k").await?),
    };
    same(how.write(store, "k", entry, when(condition)).await?, true)
}

async fn every_field_is_written(t: &Context, way: Write, how: How) -> Verdict {
    let store = t.direct();
    let entry = furnished(t, "new", Ttl::Never);
    write(&store, way, how, &plain(t, "before", Ttl::Never), &entry).await?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn nothing_is_left(t: &Context, way: Write, how: How) -> Verdict {
    let store = t.direct();
    let entry = plain(t, "new", Ttl::Never);
    write(&store, way, how, &furnished(t, "before", t.short() * 1000), &entry).await?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn a_touch_keeps_the_rest(t: &Context, condition: Condition, how: How) -> Verdict {
    let store = t.direct();
    let entry = furnished(t, "v", t.short() * 1000);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    for ttl in [Ttl::Never, Ttl::After(t.short() * 500), Ttl::After(t.short() * 3000)] {
        let options = touch_to(t, ttl, condition);
        same(how.touch(&store, "k", options).await?, true)?;
        is_there(&store, "k", &entry, options.lifetime).await?;
    }
    Ok(())
}

async fn a_touch_by_token_keeps_the_rest(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = furnished(t, "v", t.short() * 1000);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    let token = token_of(&store, "k").await?;
    for ttl in [Ttl::Never, Ttl::After(t.short() * 500)] {
        let options = touch_to(t, ttl, Condition::Unchanged(token));
        same(how.touch(&store, "k", options).await?, true)?;
        is_there(&store, "k", &entry, options.lifetime).await?;
    }
    Ok(())
}

async fn a_touch_sets_the_stale_part(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = plain(t, "v", Ttl::Never);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    let (now, life) = (t.clock().now(), Duration::from_hours(2));
    let (middle, end) = (now.plus(life / 3), now.plus(life));
    for lifetime in [Lifetime::new(middle, end), Lifetime::until(end), Lifetime::new(now, end)] {
        same(how.touch(&store, "k", TouchOptions::new(lifetime, life.into())).await?, true)?;
        is_there(&store, "k", &entry, lifetime).await?;
    }
    Ok(())
}

/// What is there before something is refused.
async fn there(t: &Context, store: &Direct) -> Result<Entry, Failure> {
    let entry = furnished(t, "there", t.short() * 1000);
    same(Alone.write(store, "k", &entry, when(Condition::Always)).await?, true)?;
    Ok(entry)
}

async fn a_refusal_changes_nothing(t: &Context, condition: Condition, how: How) -> Verdict {
    let store = t.direct();
    let entry = there(t, &store).await?;
    same(how.write(&store, "k", &plain(t, "new", Ttl::Never), when(condition)).await?, false)?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn a_refused_touch_changes_nothing(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = there(t, &store).await?;
    same(how.touch(&store, "k", touch_to(t, Ttl::Never, Condition::Unchanged(NOBODYS))).await?, false)?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn a_refused_delete_changes_nothing(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = there(t, &store).await?;
    same(how.delete(&store, "k", Condition::Unchanged(NOBODYS)).await?, false)?;
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

async fn a_peer_sees_it(t: &Context, how: How) -> Verdict {
    let (store, peer) = (t.direct(), t.direct_peer());
    let entry = furnished(t, "v", t.short() * 1000);
    same(how.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    is_there(&peer, "k", &entry, entry.meta().lifetime).await?;
    let options = touch_to(t, Ttl::Never, Condition::Always);
    same(how.touch(&peer, "k", options).await?, true)?;
    is_there(&store, "k", &entry, options.lifetime).await
}
