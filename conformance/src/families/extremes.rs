//! The ends of what can be said: TTLs from a millisecond to ten years, tokens of 64 bits, the longest names.

use std::time::Duration;

use larder_core::{
    Entry, Ttl,
    backend::{Condition, CounterOptions, SetOptions},
    entry::{Body, Lifetime, Meta, Token},
    key::{MAX_KEY, MAX_NAMESPACE},
};

use super::ways::{
    Alone, HOWS, How, Many, does_nothing, is_absent, is_there, plain, token_of, touch_to, when,
};
use crate::{
    case::matrix,
    context::Context,
    failure::{Verdict, holds, same},
    probe::Direct,
};

use Give::{Add, Replace, Set, Touch};

matrix! { "extremes":
    a_millisecond_set_ends = "A TTL of a millisecond is taken by a write, and ends." => a_millisecond(Set, Alone);
    a_millisecond_set_in_bulk_ends = "A TTL of a millisecond is taken by a bulk write, and ends." => a_millisecond(Set, Many);
    a_millisecond_added_ends = "A TTL of a millisecond is taken by an add, and ends." => a_millisecond(Add, Alone);
    a_millisecond_added_in_bulk_ends = "A TTL of a millisecond is taken by an add in bulk, and ends." => a_millisecond(Add, Many);
    a_millisecond_of_a_replacement_ends = "A TTL of a millisecond is taken by a replacement, and ends." => a_millisecond(Replace, Alone);
    a_millisecond_of_a_bulk_replacement_ends = "A TTL of a millisecond is taken by a replacement in bulk, and ends." => a_millisecond(Replace, Many);
    a_millisecond_touched_ends = "A TTL of a millisecond is taken by a touch, and ends." => a_millisecond(Touch, Alone);
    a_millisecond_touched_in_bulk_ends = "A TTL of a millisecond is taken by a bulk touch, and ends." => a_millisecond(Touch, Many);

    ten_years_set_are_ten_years = "A TTL of ten years is kept by a write, to the millisecond where the clock can be moved." => long_ttls(Set, Alone);
    ten_years_set_in_bulk_are_ten_years = "A TTL of ten years is kept by a bulk write, to the millisecond where the clock can be moved." => long_ttls(Set, Many);
    ten_years_added_are_ten_years = "A TTL of ten years is kept by an add, to the millisecond where the clock can be moved." => long_ttls(Add, Alone);
    ten_years_added_in_bulk_are_ten_years = "A TTL of ten years is kept by an add in bulk, to the millisecond where the clock can be moved." => long_ttls(Add, Many);
    ten_years_of_a_replacement_are_ten_years = "A TTL of ten years is kept by a replacement, to the millisecond where the clock can be moved." => long_ttls(Replace, Alone);
    ten_years_of_a_bulk_replacement_are_ten_years = "A TTL of ten years is kept by a replacement in bulk, to the millisecond where the clock can be moved." => long_ttls(Replace, Many);
    ten_years_touched_are_ten_years = "A TTL of ten years is kept by a touch, to the millisecond where the clock can be moved." => long_ttls(Touch, Alone);
    ten_years_touched_in_bulk_are_ten_years = "A TTL of ten years is kept by a bulk touch, to the millisecond where the clock can be moved." => long_ttls(Touch, Many);
    #[needs(Counting)] a_counter_of_ten_years_counts_on = "A counter with a TTL of ten years counts, and ends after them where the clock can be moved." => a_counter_of_ten_years();
    #[needs(Counting)] a_counter_of_a_millisecond_ends = "A counter with a TTL of a millisecond ends." => a_counter_of_a_millisecond();

    #[needs(CompareAndSet)] tokens_of_64_bits_write = "Tokens are compared in all 64 bits by a write." => tokens_are_whole(Alone);
    #[needs(CompareAndSet)] tokens_of_64_bits_write_in_bulk = "Tokens are compared in all 64 bits by a bulk operation." => tokens_are_whole(Many);
    #[needs(CompareAndSet)] neighbours_of_a_token_are_others = "A token that differs in one bit, whichever, is another." => every_bit_counts(Alone);
    #[needs(CompareAndSet)] neighbours_of_a_token_are_others_in_bulk = "A token that differs in one bit, whichever, is another, in bulk as well." => every_bit_counts(Many);

    the_longest_names_work = "The longest key in the longest namespace is written, read, touched, added and removed." => the_longest_names(Alone);
    the_longest_names_work_in_bulk = "The longest key in the longest namespace is written, read, touched, added and removed in bulk." => the_longest_names(Many);
    #[needs(CompareAndSet)] the_longest_names_have_tokens = "Conditions hold for the longest key in the longest namespace." => the_longest_names_compare(Alone);
    #[needs(CompareAndSet)] the_longest_names_have_tokens_in_bulk = "Conditions hold for the longest key in the longest namespace in bulk." => the_longest_names_compare(Many);
    #[needs(Counting)] the_longest_names_are_counted = "A counter under the longest key in the longest namespace counts, apart from one that differs at its end." => the_longest_names_count();
}

/// By what a TTL is given.
#[derive(Debug, Clone, Copy)]
enum Give {
    Set,
    Add,
    Replace,
    Touch,
}

/// The key has an entry with this TTL, given in this way; what was written.
async fn give(
    t: &Context,
    store: &Direct,
    by: Give,
    how: How,
    life: Duration,
) -> Result<Entry, crate::failure::Failure> {
    let (key, ttl) = ("k", Ttl::After(life));
    let before = plain(t, "before", t.short() * 1000);
    if !matches!(by, Add) {
        same(Alone.write(store, key, &before, when(Condition::Always)).await?, true)?;
    }
    if matches!(by, Touch) {
        same(how.touch(store, key, touch_to(t, ttl, Condition::Always)).await?, true)?;
        return Ok(before);
    }
    let condition = match by {
        Add => Condition::Absent,
        Replace => Condition::Present,
        _ => Condition::Always,
    };
    let entry = plain(t, "v", ttl);
    same(how.write(store, key, &entry, SetOptions::new(ttl).when(condition)).await?, true)?;
    Ok(entry)
}

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: Duration = Duration::from_hours(87672);

async fn a_millisecond(t: &Context, by: Give, how: How) -> Verdict {
    let store = t.direct();
    give(t, &store, by, how, MILLISECOND).await?;
    if t.clock().is_manual() {
        holds(store.get("k").await?.is_some(), "the entry, whose millisecond is not over", "a miss")?;
    }
    t.outlive(MILLISECOND).await;
    is_absent(&store, "k").await?;
    same(store.delete("k").await?, false)
}

async fn long_ttls(t: &Context, by: Give, how: How) -> Verdict {
    let store = t.direct();
    // Thirty days and a second are a date to some protocols; 2^31 ms and 2^32 ms overflow; ten years are both.
    let odd =
        [DAY * 30 + Duration::from_secs(1), Duration::from_millis(1 << 31), Duration::from_millis(1 << 32)];
    for life in odd.into_iter().chain([TEN_YEARS]) {
        store.delete("k").await?;
        let begun = t.clock().now();
        let entry = give(t, &store, by, how, life).await?;
        let Some(seen) = how.read(&store, "k").await? else {
            return holds(false, "the entry, which has years to live", "a miss");
        };
        same(seen.encoded().map(|body| body.bytes.clone()), entry.encoded().map(|body| body.bytes.clone()))?;
        let given = seen.meta().lifetime.expires.since(begun);
        holds(given >= life && given < life + DAY, "the TTL that was given", given)?;
        if t.clock().is_manual() && t.capabilities().ttl_resolution <= MILLISECOND {
            t.pass(life.saturating_sub(MILLISECOND)).await;
            holds(how.read(&store, "k").await?.is_some(), "a hit a millisecond before the end", "a miss")?;
            t.pass(MILLISECOND).await;
            is_absent(&store, "k").await?;
        }
    }
    Ok(())
}

async fn a_counter_of_ten_years(t: &Context) -> Verdict {
    let store = t.direct();
    let options = CounterOptions::new(TEN_YEARS.into()).with_initial(Some(1));
    same(store.count("n", 1, options).await?, Some(1))?;
    same(store.count("n", 1, options).await?, Some(2))?;
    if t.clock().is_manual() {
        t.pass(TEN_YEARS.saturating_sub(Duration::from_secs(2))).await;
        same(store.count("n", 1, options).await?, Some(3))?;
        t.pass(Duration::from_secs(3)).await;
        same(store.count("n", 1, CounterOptions::new(Ttl::Never)).await?, None)?;
    }
    Ok(())
}

async fn a_counter_of_a_millisecond(t: &Context) -> Verdict {
    let store = t.direct();
    same(store.count("n", 1, CounterOptions::new(MILLISECOND.into()).with_initial(Some(7))).await?, Some(7))?;
    t.outlive(MILLISECOND).await;
    same(store.count("n", 1, CounterOptions::new(Ttl::Never)).await?, None)
}

/// Revisions that do not survive a float, a signed number, 32 bits, or text that is cut.
const TOKENS: [u64; 7] =
    [1, u32::MAX as u64 + 1, (1 << 53) + 1, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];

fn with_revision(t: &Context, revision: u64) -> Entry {
    let now = t.clock().now();
    let meta = Meta::new(now, Lifetime::until(Ttl::Never.expires(now))).with_revision(revision);
    Entry::from_body(Body::raw(bytes::Bytes::from_static(b"v"), 0), meta)
}

async fn tokens_are_whole(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let mut last = None;
    for revision in TOKENS {
        let entry = with_revision(t, revision);
        let condition = last.map_or(Condition::Always, Condition::Unchanged);
        same(how.write(&store, "k", &entry, when(condition)).await?, true)?;
        let token = token_of(&store, "k").await?;
        same(how.touch(&store, "k", touch_to(t, Ttl::Never, Condition::Unchanged(token))).await?, true)?;
        if let Some(before) = last {
            does_nothing(t, &store, "k", before).await?;
        }
        same(token_of(&store, "k").await?, token)?;
        last = Some(token);
    }
    let last = last.map_or(Condition::Absent, Condition::Unchanged);
    same(how.delete(&store, "k", last).await?, true)
}

async fn every_bit_counts(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    let entry = with_revision(t, 0x5a5a_a5a5_3c3c_c3c3);
    same(Alone.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
    let Token(token) = token_of(&store, "k").await?;
    for bit in 0..64 {
        let other = Condition::Unchanged(Token(token ^ (1 << bit)));
        same(how.touch(&store, "k", touch_to(t, t.short() * 1000, other)).await?, false)?;
        same(how.delete(&store, "k", other).await?, false)?;
        same(how.write(&store, "k", &plain(t, "new", Ttl::Never), when(other)).await?, false)?;
    }
    is_there(&store, "k", &entry, entry.meta().lifetime).await
}

/// The store with keys in a namespace as long as one may be, and two keys as long as they may be that differ at the end.
fn longest(t: &Context) -> (Direct, String, String) {
    let begun = t.namespace_of("");
    let store = t.direct_in(&"n".repeat((MAX_NAMESPACE - 2).saturating_sub(begun.len())));
    (store, "k".repeat(MAX_KEY), "k".repeat(MAX_KEY - 1) + "l")
}

async fn the_longest_names(t: &Context, how: How) -> Verdict {
    let (store, key, other) = longest(t);
    let (one, two) = (plain(t, "one", Ttl::Never), plain(t, "two", Ttl::Never));
    same(how.write(&store, &key, &one, when(Condition::Absent)).await?, true)?;
    same(how.write(&store, &other, &two, when(Condition::Absent)).await?, true)?;
    same(how.write(&store, &key, &two, when(Condition::Absent)).await?, false)?;
    is_there(&store, &key, &one, one.meta().lifetime).await?;
    is_there(&store, &other, &two, two.meta().lifetime).await?;
    let options = touch_to(t, t.short() * 1000, Condition::Always);
    same(how.touch(&store, &key, options).await?, true)?;
    is_there(&store, &key, &one, options.lifetime).await?;
    same(how.delete(&store, &key, Condition::Always).await?, true)?;
    is_absent(&store, &key).await?;
    is_there(&store, &other, &two, two.meta().lifetime).await
}

async fn the_longest_names_compare(t: &Context, how: How) -> Verdict {
    let (store, key, other) = longest(t);
    let entry = plain(t, "v", Ttl::Never);
    for key in [&key, &other] {
        same(Alone.write(&store, key, &entry, when(Condition::Always)).await?, true)?;
    }
    let first = token_of(&store, &key).await?;
    let new = plain(t, "new", Ttl::Never);
    same(how.write(&store, &key, &new, when(Condition::Unchanged(first))).await?, true)?;
    does_nothing(t, &store, &key, first).await?;
    let second = Condition::Unchanged(token_of(&store, &key).await?);
    same(how.touch(&store, &key, touch_to(t, Ttl::Never, second)).await?, true)?;
    same(how.delete(&store, &key, second).await?, true)?;
    is_absent(&store, &key).await?;
    for how in HOWS {
        same(how.read(&store, &other).await?.is_some(), true)?;
    }
    Ok(())
}

async fn the_longest_names_count(t: &Context) -> Verdict {
    let (store, key, other) = longest(t);
    let options = CounterOptions::new(Ttl::Never).with_initial(Some(10));
    same(store.count(&key, 1, options).await?, Some(10))?;
    same(store.count(&key, 1, options).await?, Some(11))?;
    same(store.count(&other, 1, options).await?, Some(10))?;
    same(store.count(&key, -1, options).await?, Some(10))
}
