//! Stores that are right for one key and wrong in bulk, right at first and wrong about what happens later, or wrong about
//! one field, one kind of entry, one end of what can be said.

mod store;

use larder_core::{
    Clock, Entry,
    backend::{Condition, SetOptions},
    clock::Timestamp,
    entry::{Kind, Lifetime, Token},
};

use self::store::Twisted;
use super::Mutant;
use crate::store::Store;

mutants! {
    |clock, flaw| store(clock, flaw);

    BulkAddsOverwrite "overwrites when adding in bulk" => "metadata::a_refused_bulk_add_changes_no_field";
    BulkPresentCreates "replaces in bulk what is not there" => "endings::after_a_bulk_delete_nothing_is_replaced";
    BulkAnyToken "takes any token for the right one in bulk" => "metadata::a_refused_bulk_compare_and_set_changes_no_field";
    BulkTouchForgetsStale "forgets the stale part when touching in bulk" => "metadata::a_touched_entry_of_many_has_a_stale_part";
    TouchForgetsStale "forgets the stale part when touching" => "metadata::a_touched_entry_has_a_stale_part";
    BulkLosesUser "loses metadata in bulk" => "metadata::a_bulk_set_writes_every_field";
    BulkKeepsOldUser "keeps the old metadata when overwriting in bulk" => "metadata::a_bulk_overwrite_leaves_nothing";
    ReplaceKeepsStamps "keeps the old stamps when replacing" => "metadata::a_replacement_leaves_nothing";
    CompareKeepsUser "keeps the old metadata when comparing and setting" => "metadata::a_compare_and_set_leaves_nothing";
    AddLosesLoadCost "forgets what a load has cost when adding" => "metadata::an_add_writes_every_field";
    BulkAddLosesSlides "loses the TTL for sliding when adding in bulk" => "metadata::a_bulk_add_writes_every_field";
    TouchLosesUser "loses metadata when touching" => "metadata::a_touch_changes_the_lifetime_alone";
    BulkTouchLosesStamps "loses stamps when touching in bulk" => "metadata::a_bulk_touch_changes_the_lifetime_alone";
    TouchByTokenMakesYounger "makes younger what it touches by token" => "metadata::a_touch_by_token_changes_the_lifetime_alone";
    RefusedCompareTouches "touches what it refuses to compare and set" => "metadata::a_refused_compare_and_set_changes_no_field";
    RefusedDeleteShortens "shortens the TTL of what it refuses to remove" => "metadata::a_refused_delete_changes_no_field";
    BulkDeleteLeavesTombstones "accepts no add after a bulk delete" => "endings::after_a_bulk_delete_the_key_is_free";
    TokensOutliveTheirEntries "takes the token of an expired entry" => "endings::after_the_end_of_a_ttl_the_token_is_void";
    TokensComeBack "gives the token of a removed entry to its successor" => "endings::after_a_bulk_delete_the_token_is_void";
    BulkDeletesTheExpired "counts an expired entry as removed in bulk" => "endings::after_the_end_of_a_ttl_nothing_is_removed";
    BulkTouchRevives "revives the dead by touching in bulk" => "endings::after_the_end_of_a_touched_ttl_nothing_is_touched";
    BulkReadsTheExpired "reads expired entries in bulk" => "endings::after_the_end_of_a_bulk_ttl_nothing_is_read";
    StaleIsAbsent "adds over stale entries" => "states::a_stale_entry_refuses_an_add";
    NegativesAreAbsentInBulk "adds over negative answers in bulk" => "states::a_negative_entry_refuses_a_bulk_add";
    LeasesAreNotTouched "does not touch leases" => "states::a_lease_is_touched";
    StaleIsNotRemoved "says that a stale entry was not there when it removes it" => "states::a_stale_entry_is_removed";
    LeasesStayInBulk "replaces no lease in bulk" => "states::a_lease_is_replaced_in_bulk";
    BulkHidesStale "hides stale entries from bulk reads" => "states::a_stale_entry_is_read";
    NegativesHaveNoToken "holds no condition for a negative answer" => "states::a_negative_entry_is_compared";
    RemembersBulkReads "answers a bulk read as it did the last time" => "handles::a_peers_write_between_two_bulk_reads_is_seen";
    PeersTouchesAreLost "loses what another process touches" => "handles::a_peers_touch_is_seen";
    PeersHaveOtherTokens "gives other processes other tokens" => "handles::a_token_is_good_for_a_peer";
    TokensOf32Bits "compares 32 bits of a token" => "extremes::neighbours_of_a_token_are_others";
    TokensAreFloats "compares tokens in floating point" => "extremes::tokens_of_64_bits_write";
    MillisecondIsForEver "takes a TTL below ten milliseconds for none" => "extremes::a_millisecond_set_ends";
    BulkTouchOf32Bits "counts the TTL of a bulk touch in 32 bits of milliseconds" => "extremes::ten_years_touched_in_bulk_are_ten_years";
    CutsTheLongest "cuts the last byte off the longest keys" => "extremes::the_longest_names_work";
    SniffsGzip "takes a value that looks compressed for compressed" => "lookalikes::the_store_keeps_what_looks_encoded";
    EmptyIsAMiss "takes an entry without bytes for none" => "lookalikes::an_entry_without_bytes_is_an_entry";
    SetBackLosesAll "finds nothing while its clock is set back" => "clocks::what_lives_outlives_a_clock_that_is_set_back";
    SetBackRefuses "drops what is written while its clock is set back" => "clocks::a_write_after_a_clock_was_set_back_is_read";
    TheFutureIsAMiss "misses what was made in the future" => "clocks::what_another_clock_made_in_the_future_is_read";
    CountsByItsOwnClock "counts time by another clock than it was given" => "hooks::the_clock_is_the_one_that_was_given";
    PeerIsAnother "has a peer that is another store" => "hooks::the_peer_sees_what_was_written";
    PeerIsTheStore "is closed when its peer is" => "hooks::the_peer_is_a_connection_of_its_own";
    BulkOverwritesAreLost "says of a bulk write over an entry that it wrote, and does not" => "histories::one_handle_in_turn";
    ReplacesOverNothing "loses one of two overlapping writes of two processes" => "handles::a_peers_bulk_write_is_seen";
}

/// The store without a flaw.
pub(super) fn healthy(clock: Clock) -> Store {
    store(clock, None)
}

fn store(clock: Clock, flaw: Option<Flaw>) -> Store {
    let clock = if flaw == Some(Flaw::CountsByItsOwnClock) { Clock::manual() } else { clock };
    let one = Twisted::new(clock, flaw);
    let peer = one.clone();
    Store::new(one).with_peer(move |clock| peer.peer(clock))
}

/// What the store makes of an entry that it is to write, where there is this one.
fn as_written(
    flaw: Option<Flaw>,
    old: Option<&Entry>,
    entry: &Entry,
    options: &SetOptions,
    bulk: bool,
) -> Entry {
    let meta = entry.meta().clone();
    let kept = |meta| entry.with_meta(meta);
    match (flaw, options.condition, old) {
        (Some(Flaw::BulkLosesUser), ..) if bulk => kept(meta.with_user([].into())),
        (Some(Flaw::BulkKeepsOldUser), _, Some(old)) if bulk => {
            kept(meta.with_user(old.meta().all_user().into()))
        }
        (Some(Flaw::ReplaceKeepsStamps), Condition::Present, Some(old)) => {
            kept(meta.with_stamps(old.meta().stamps.clone()))
        }
        (Some(Flaw::CompareKeepsUser), Condition::Unchanged(_), Some(old)) => {
            kept(meta.with_user(old.meta().all_user().into()))
        }
        (Some(Flaw::AddLosesLoadCost), Condition::Absent, _) => {
            kept(meta.with_load_cost(std::time::Duration::ZERO))
        }
        (Some(Flaw::BulkAddLosesSlides), Condition::Absent, _) if bulk => kept(meta.with_slides(None)),
        (Some(Flaw::MillisecondIsForEver), ..) if is_next_to_nothing(options) => {
            entry.with_lifetime(Lifetime::until(Timestamp::NEVER))
        }
        (Some(Flaw::SniffsGzip), ..)
            if entry.encoded().is_some_and(|body| body.bytes.starts_with(&[0x1f, 0x8b])) =>
        {
            let body = larder_core::entry::Body::raw(bytes::Bytes::from_static(b"hello"), 0);
            Entry::from_body(body, meta)
        }
        _ => entry.clone(),
    }
}

fn is_next_to_nothing(options: &SetOptions) -> bool {
    matches!(options.ttl, larder_core::Ttl::After(ttl) if ttl < std::time::Duration::from_millis(10))
}

/// The condition as the store understands it, where there is this entry, live or not.
fn bent(flaw: Option<Flaw>, there: Option<&Entry>, condition: Condition, bulk: bool) -> Condition {
    let is = |kind| there.is_some_and(|entry| entry.kind() == kind);
    let equal =
        |same: fn(u64, u64) -> bool, token: Token| there.is_some_and(|entry| same(entry.token().0, token.0));
    match (flaw, condition) {
        (Some(Flaw::BulkAddsOverwrite), Condition::Absent)
        | (Some(Flaw::BulkPresentCreates), Condition::Present)
        | (Some(Flaw::BulkAnyToken), Condition::Unchanged(_))
            if bulk =>
        {
            Condition::Always
        }
        (Some(Flaw::NegativesAreAbsentInBulk), Condition::Absent) if bulk && is(Kind::Negative) => {
            Condition::Always
        }
        (Some(Flaw::NegativesHaveNoToken), Condition::Unchanged(_)) if is(Kind::Negative) => {
            Condition::Unchanged(Token(0))
        }
        (Some(Flaw::LeasesStayInBulk), Condition::Present) if bulk && is(Kind::Lease) => {
            Condition::Unchanged(Token(0))
        }
        #[allow(clippy::cast_possible_truncation, reason = "this is what is wrong with it")]
        (Some(Flaw::TokensOf32Bits), Condition::Unchanged(token))
            if equal(|one, other| one as u32 == other as u32, token) =>
        {
            Condition::Present
        }
        #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "this is what is wrong with it")]
        (Some(Flaw::TokensAreFloats), Condition::Unchanged(token))
            // Of 24 bits: two tokens in a row are hardly ever on two sides of a step.
            if equal(|one, other| one as f32 == other as f32, token) =>
        {
            Condition::Present
        }
        (Some(Flaw::TokensOutliveTheirEntries), Condition::Unchanged(token))
            if equal(|one, other| one == other, token) =>
        {
            Condition::Always
        }
        (_, condition) => condition,
    }
}
