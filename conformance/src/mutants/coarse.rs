//! Flaws that any reader of the code would see, in front of stores of every kind: what every case, whatever its subject, has to
//! be able to notice.

mod flawed;

use std::sync::Arc;

use larder_core::{Backend, Clock};

use self::flawed::Flawed;
use super::{Mutant, bounded, bytes, null, twisted};
use crate::{reference::ReferenceBackend, store::Store};

/// The stores that are right, by the names that the macro below gives them.
mod grounds {
    use super::{Clock, ReferenceBackend, Store};

    /// Entries in this process, which no other sees.
    pub(super) fn here(clock: Clock) -> Store {
        Store::new(ReferenceBackend::new(clock))
    }

    /// Entries that other processes see, with their versions beside them.
    pub(super) fn shared(clock: Clock) -> Store {
        super::twisted::healthy(clock)
    }

    /// The same as envelopes, whose bytes are open to everybody.
    pub(super) fn bytes(clock: Clock) -> Store {
        super::bytes::healthy(clock)
    }

    /// Entries in this process, within a bound.
    pub(super) fn bounded(clock: Clock) -> Store {
        super::bounded::healthy(clock)
    }

    /// Nothing.
    pub(super) fn null(clock: Clock) -> Store {
        super::null::healthy(clock)
    }
}

macro_rules! mutants {
    ($($flaw:ident { $($ground:ident $name:literal => $caught_by:literal;)* })*) => {
        /// The one way in which a store is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { $($flaw),* }

        pub(super) const MUTANTS: &[Mutant] = &[$($(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |clock| spoilt(grounds::$ground(clock.clone()), clock, Flaw::$flaw),
                healthy: grounds::$ground,
            },
        )*)*];
    };
}

mutants! {
    FindsNothing {
        shared "finds nothing, shared" => "handles::a_peers_write_is_seen";
        bytes "finds nothing, as bytes" => "envelope::a_future_version_survives_reads";
    }
    StoresNothing {
        here "stores nothing" => "failing::a_store_that_is_back_is_used_again";
        shared "stores nothing, shared" => "handles::a_peers_write_is_seen";
        bytes "stores nothing, as bytes" => "hooks::the_spy_sees_what_was_written";
        bounded "stores nothing, bounded" => "bounded::usage_counts_what_is_there";
    }
    GivesTheLast {
        here "answers every hit with what was written last" => "reading::keys_do_not_mix";
        shared "answers every hit with what was written last, shared" => "reading::keys_do_not_mix";
    }
    Invents {
        here "finds what nobody wrote" => "reading::a_miss_leaves_nothing_behind";
        shared "finds what nobody wrote, shared" => "reading::another_process_sees_an_overwrite";
        bytes "finds what nobody wrote, as bytes" => "failing::a_failed_write_is_never_success";
        bounded "finds what nobody wrote, bounded" => "reading::a_miss_leaves_nothing_behind";
    }
    AnswersNobody {
        shared "answers an empty request" => "bulk::the_store_answers_nothing_with_nothing";
    }
    Garbles {
        here "gives back other bytes than were written" => "reading::set_then_get";
        shared "gives back other bytes than were written, shared" => "reading::set_then_get";
        bytes "gives back other bytes than were written, as bytes" => "reading::set_then_get";
    }
    KeepsTheFirst {
        shared "keeps what was written first, shared" => "writing::an_overwrite_replaces_the_value";
        bytes "keeps what was written first, as bytes" => "writing::an_overwrite_replaces_the_value";
    }
    Fails {
        here "fails every operation" => "reading::set_then_get";
        shared "fails every operation, shared" => "reading::set_then_get";
        bytes "fails every operation, as bytes" => "reading::set_then_get";
        bounded "fails every operation, bounded" => "reading::set_then_get";
        null "fails every operation, keeping nothing" => "null::set_succeeds_and_get_misses";
    }
    IgnoresConditions {
        here "ignores every condition" => "conditional::add_on_a_taken_key_changes_nothing";
        shared "ignores every condition, shared" => "conditional::add_on_a_taken_key_changes_nothing";
        bytes "ignores every condition, as bytes" => "conditional::add_on_a_taken_key_changes_nothing";
    }
    RefusesConditions {
        here "does nothing under a condition" => "conditional::add_on_a_free_key_stores";
        shared "does nothing under a condition, shared" => "conditional::add_on_a_free_key_stores";
        bytes "does nothing under a condition, as bytes" => "conditional::add_on_a_free_key_stores";
    }
    IgnoresTtl {
        here "ignores every TTL" => "ttl::an_entry_ends_with_its_life";
        shared "ignores every TTL, shared" => "ttl::an_entry_ends_with_its_life";
        bytes "ignores every TTL, as bytes" => "ttl::an_entry_ends_with_its_life";
        bounded "ignores every TTL, bounded" => "bounded::an_expired_entry_is_freed_and_told";
    }
    EndsAtOnce {
        here "ends every entry after a millisecond" => "ttl::touch_lengthens_a_life";
        shared "ends every entry after a millisecond, shared" => "ttl::touch_lengthens_a_life";
        bytes "ends every entry after a millisecond, as bytes" => "ttl::touch_lengthens_a_life";
    }
    TouchesNothing {
        shared "says it touched and did not, shared" => "ttl::touch_lengthens_a_life";
        bytes "says it touched and did not, as bytes" => "ttl::touch_lengthens_a_life";
    }
    DeletesNothing {
        here "says it deleted and did not" => "writing::delete_removes";
        shared "says it deleted and did not, shared" => "writing::delete_removes";
        bytes "says it deleted and did not, as bytes" => "writing::delete_removes";
        bounded "says it deleted and did not, bounded" => "writing::delete_removes";
    }
    DeniesAll {
        here "denies whatever it did" => "writing::delete_tells_whether_there_was_one";
        shared "denies whatever it did, shared" => "writing::delete_tells_whether_there_was_one";
        bytes "denies whatever it did, as bytes" => "writing::delete_tells_whether_there_was_one";
    }
    LosesMetadata {
        here "keeps the value and its TTL alone" => "metadata::a_set_writes_every_field";
        shared "keeps the value and its TTL alone, shared" => "metadata::a_set_writes_every_field";
        bytes "keeps the value and its TTL alone, as bytes" => "metadata::a_set_writes_every_field";
    }
    LosesVersions {
        here "has other versions each time it is asked" => "tags::a_tag_invalidated_before_the_load_does_not";
        shared "loses every version, shared" => "tags::another_process_sees_an_invalidation";
        bytes "loses every version, as bytes" => "tags::another_process_sees_an_invalidation";
    }
    KeepsVersions {
        shared "never changes a version, shared" => "namespaces::a_clear_is_not_forgotten";
        bytes "never changes a version, as bytes" => "namespaces::a_clear_is_not_forgotten";
    }
    BulkFails {
        here "fails every bulk operation" => "bulk::set_many_stores_all";
        shared "fails every bulk operation, shared" => "bulk::set_many_stores_all";
        bytes "fails every bulk operation, as bytes" => "bulk::set_many_stores_all";
        bounded "fails every bulk operation, bounded" => "bounded::a_bulk_write_is_bounded_like_single_ones";
    }
}

/// This store, and its peers, behind the flaw.
fn spoilt(mut store: Store, clock: Clock, flaw: Flaw) -> Store {
    let shared = flawed::Memory::shared();
    let behind = move |inner: Arc<dyn Backend>, clock: Clock| -> Arc<dyn Backend> {
        Arc::new(Flawed::new(inner, clock, flaw, Arc::clone(&shared)))
    };
    store.backend = behind(store.backend, clock);
    if let Some(peer) = store.peer.take() {
        let behind = behind.clone();
        store.peer = Some(Arc::new(move |clock| Ok(behind(peer(clock.clone())?, clock))));
    }
    if let Some(small) = store.small.take() {
        store.small = Some(Arc::new(move |bound, clock| Some(behind(small(bound, clock.clone())?, clock))));
    }
    store
}
