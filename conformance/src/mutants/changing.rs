//! Layers that are wrong in one way about conditions of removing and touching, about tokens, or about kinds.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use larder_core::{
    Backend as _, Clock, Entry, Result,
    backend::{
        Capabilities, Condition, DeleteItem, DeleteOptions, Forward, GetOptions, Lookup, SetItem, SetOptions,
        TouchItem, TouchOptions, Written,
    },
    entry::{Kind, Token},
    key::StoreKey,
};

use super::Mutant;
use crate::{reference::ReferenceBackend, store::Store};

macro_rules! mutants {
    ($($flaw:ident $name:literal => $caught_by:literal;)*) => {
        /// The one way in which a layer is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { $($flaw),* }

        pub(super) const MUTANTS: &[Mutant] = &[$(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |clock| Store::new(Crooked::new(clock, Flaw::$flaw, false)),
                healthy: |clock| Store::new(Crooked::new(clock, Flaw::$flaw, true)),
            },
        )*];
    };
}

mutants! {
    RemovesByAnyToken "removes by any token" => "conditional::a_stale_token_removes_nothing";
    RemovesByNoToken "removes by no token" => "conditional::the_current_token_removes";
    SaysItRemoved "says of every token that it removed" => "conditional::a_token_removes_once";
    RemovesTheExpired "removes what has expired by its token" =>
        "conditional::an_expired_entry_is_not_removed_by_its_token";
    RemovesInTwoSteps "removes by a token in two steps" =>
        "conditional::of_many_removals_by_one_token_one_succeeds";
    RemovesOnceTouched "takes a touched entry for another" => "conditional::a_touched_entry_is_removed_by_its_token";
    BulkRemovesAny "forgets conditions of bulk removals" =>
        "conditional::each_of_many_removals_has_its_own_condition";
    RemovesTheAbsent "removes what should be absent" => "conditional::removing_needs_what_it_says";
    RemovesUnchecked "removes although it cannot check" => "conditional::a_removal_is_checked_or_refused";
    TouchesByAnyToken "touches by any token" => "conditional::a_stale_token_touches_nothing";
    TouchesByNoToken "touches by no token" => "conditional::the_current_token_touches";
    TouchesTheExpired "touches what has expired by its token" =>
        "conditional::an_expired_entry_is_not_touched_by_its_token";
    TouchGivesNewTokens "gives a touched entry another token" => "conditional::touching_leaves_the_token";
    BulkTouchesAny "forgets conditions of bulk touches" =>
        "conditional::each_of_many_touches_has_its_own_condition";
    TouchManyFirst "touches only the first of many" => "conditional::touch_many_tells_for_each";
    TouchManyBackwards "touches many from the last to the first" => "conditional::the_last_of_two_touches_stays";
    TouchesTheAbsent "touches what should be absent" => "conditional::touching_needs_what_it_says";
    TouchesUnchecked "touches although it cannot check" => "conditional::a_touch_is_checked_or_refused";
    AnswersWithRevisions "answers a write with the revision, where tokens are its own" =>
        "conditional::a_write_answers_with_its_token";
    AddsWithRevisions "answers an add with the revision, where tokens are its own" =>
        "conditional::a_write_under_a_condition_answers_with_its_token";
    TokensOfOneUse "answers a write with a token that is good for nothing" =>
        "conditional::the_token_of_a_write_is_good_for_the_next";
    BulkWithRevisions "answers a bulk write with revisions, where tokens are its own" =>
        "conditional::a_write_of_the_same_entry_answers_for_what_is_there";
    TakesTokensOver "gives out the tokens of another store" => "conditional::another_stores_token_is_not_taken_over";
    LosesNegatives "takes a negative answer for a value" => "kinds::every_kind_comes_back";
    BulkLosesLeases "takes a lease for a value in bulk" => "kinds::every_kind_comes_back_of_many";
    TouchLosesKinds "takes what was touched for a value" => "kinds::a_touch_leaves_the_kind";
    KeepsOldKinds "keeps the old kind when overwriting" => "kinds::an_overwrite_replaces_the_kind";
    LeasesHaveNoToken "holds no condition for a lease" => "kinds::every_kind_has_a_token";
    AddsOverLeases "adds over leases" => "kinds::a_lease_stands_in_the_way_of_an_add";
    LosesSlides "loses an entry's own TTL for sliding" => "kinds::a_ttl_of_its_own_for_sliding_travels";
}

struct Crooked {
    inner: ReferenceBackend,
    clock: Clock,
    flaw: Flaw,
    is_healthy: bool,
}

impl Crooked {
    fn new(clock: Clock, flaw: Flaw, is_healthy: bool) -> Self {
        let inner = ReferenceBackend::new(clock.clone());
        let own =
            matches!(flaw, Flaw::AnswersWithRevisions | Flaw::AddsWithRevisions | Flaw::BulkWithRevisions);
        let inner = if own { inner.with_own_tokens() } else { inner };
        Self { inner, clock, flaw, is_healthy }
    }

    fn is(&self, flaw: Flaw) -> bool {
        !self.is_healthy && self.flaw == flaw
    }

    /// The entry there, whether it is live or not.
    fn lying(&self, key: &StoreKey<'_>) -> Option<Entry> {
        self.inner.entries().get(&key.into_owned()).cloned()
    }

    /// Puts this in the place of what lies there, as it is.
    fn put_back(&self, key: &StoreKey<'_>, entry: Entry) {
        self.inner.entries().insert(key.into_owned(), entry);
    }

    fn with_kind(entry: &Entry, kind: Kind) -> Entry {
        entry.with_meta(entry.meta().clone().with_kind(kind))
    }

    fn as_written(&self, key: &StoreKey<'_>, entry: &Entry) -> Entry {
        if self.is(Flaw::LosesNegatives) && entry.kind() == Kind::Negative {
            return Self::with_kind(entry, Kind::Value);
        }
        if self.is(Flaw::LosesSlides) {
            return entry.with_meta(entry.meta().clone().with_slides(None));
        }
        match self.lying(key) {
            Some(old) if self.is(Flaw::KeepsOldKinds) => Self::with_kind(entry, old.kind()),
            _ => entry.clone(),
        }
    }

    /// Under which condition it does something, by a flaw of always doing it, or of doing it for what should be absent.
    fn bent(&self, condition: Condition, any: &[Flaw], absent: Flaw) -> Condition {
        match condition {
            Condition::Unchanged(_) if any.iter().any(|flaw| self.is(*flaw)) => Condition::Always,
            Condition::Absent if self.is(absent) => Condition::Always,
            condition => condition,
        }
    }
}

#[async_trait]
impl Forward for Crooked {
    type Inner = ReferenceBackend;

    fn inner(&self) -> &ReferenceBackend {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        let unchecked = self.is(Flaw::RemovesUnchecked) || self.is(Flaw::TouchesUnchecked);
        self.inner.capabilities().with_compare_and_set(!unchecked)
    }

    fn get_now(&self, key: &StoreKey<'_>) -> Option<Lookup> {
        // A token that is given out and means nothing here.
        match self.inner.get_now(key)? {
            Lookup::Hit(entry)
                if self.is(Flaw::TakesTokensOver) && entry.encoded().is_some_and(is_copied) =>
            {
                Some(Lookup::Hit(entry.with_token(Token(7))))
            }
            found => Some(found),
        }
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        match Forward::get_now(self, key) {
            Some(found) => Ok(found),
            None => self.inner.get(key, options).await,
        }
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let mut options = *options;
        let is_lease = self.lying(key).is_some_and(|old| old.is_lease());
        match options.condition {
            Condition::Absent if self.is(Flaw::AddsOverLeases) && is_lease => {
                options.condition = Condition::Always;
            }
            Condition::Unchanged(_) if self.is(Flaw::LeasesHaveNoToken) && is_lease => {
                return Ok(Written::No);
            }
            _ => {}
        }
        let written = self.inner.set(key, &self.as_written(key, entry), &options).await?;
        let forgets = self.is(Flaw::AnswersWithRevisions)
            || self.is(Flaw::AddsWithRevisions) && options.condition != Condition::Always;
        Ok(match written {
            Written::Yes(_) if forgets => Written::when(true, entry),
            Written::Yes(Token(token)) if self.is(Flaw::TokensOfOneUse) => Written::Yes(Token(token ^ 1)),
            written => written,
        })
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let any = [Flaw::TouchesByAnyToken, Flaw::TouchesUnchecked];
        let condition = self.bent(options.condition, &any, Flaw::TouchesTheAbsent);
        if let (Condition::Unchanged(token), Some(lying)) = (condition, self.lying(key)) {
            if self.is(Flaw::TouchesByNoToken) {
                return Ok(false);
            }
            if self.is(Flaw::TouchesTheExpired) && lying.token() == token {
                self.put_back(key, lying.with_lifetime(options.lifetime));
                return Ok(true);
            }
        }
        let touched = self.inner.touch(key, &options.when(condition)).await?;
        if let Some(lying) = self.lying(key).filter(|_| touched) {
            let token = Token(lying.token().0 ^ 1);
            match self.flaw {
                Flaw::TouchLosesKinds if !self.is_healthy => {
                    self.put_back(key, Self::with_kind(&lying, Kind::Value));
                }
                Flaw::TouchGivesNewTokens | Flaw::RemovesOnceTouched if !self.is_healthy => {
                    self.put_back(key, lying.with_token(token));
                }
                _ => {}
            }
        }
        Ok(touched)
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let any = [Flaw::RemovesByAnyToken, Flaw::RemovesUnchecked];
        let condition = self.bent(options.condition, &any, Flaw::RemovesTheAbsent);
        if let Condition::Unchanged(token) = condition {
            let lying = self.lying(key).filter(|lying| lying.token() == token);
            if self.is(Flaw::RemovesByNoToken) {
                return Ok(false);
            }
            if self.is(Flaw::RemovesTheExpired) {
                return Ok(self.inner.delete(key, options).await? || lying.is_some());
            }
            if self.is(Flaw::RemovesInTwoSteps) && lying.is_some_and(|lying| lying.is_live(self.clock.now()))
            {
                tokio::time::sleep(Duration::from_micros(100)).await;
                self.inner.delete(key, &DeleteOptions::new()).await?;
                return Ok(true);
            }
        }
        let removed = self.inner.delete(key, &options.when(condition)).await?;
        Ok(removed || self.is(Flaw::SaysItRemoved) && matches!(condition, Condition::Unchanged(_)))
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(Forward::get(self, key, options).await);
        }
        found
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let mut written = Vec::with_capacity(items.len());
        for SetItem { key, entry, options, .. } in items {
            let loses = self.is(Flaw::BulkLosesLeases) && entry.is_lease();
            let kept = if loses { Self::with_kind(entry, Kind::Value) } else { entry.clone() };
            let answer = Forward::set(self, key, &kept, options).await;
            written.push(match answer {
                Ok(Written::Yes(_)) if self.is(Flaw::BulkWithRevisions) => Ok(Written::when(true, entry)),
                answer => answer,
            });
        }
        written
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        let mut touched = Vec::with_capacity(items.len());
        let backwards = self.is(Flaw::TouchManyBackwards);
        let order: Vec<_> = if backwards { items.iter().rev().collect() } else { items.iter().collect() };
        for (place, TouchItem { key, options, .. }) in order.into_iter().enumerate() {
            let options =
                if self.is(Flaw::BulkTouchesAny) { options.when(Condition::Always) } else { *options };
            touched.push(if self.is(Flaw::TouchManyFirst) && place > 0 {
                Ok(true)
            } else {
                Forward::touch(self, key, &options).await
            });
        }
        if backwards {
            touched.reverse();
        }
        touched
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        let mut removed = Vec::with_capacity(items.len());
        for DeleteItem { key, options, .. } in items {
            let options =
                if self.is(Flaw::BulkRemovesAny) { options.when(Condition::Always) } else { *options };
            removed.push(Forward::delete(self, key, &options).await);
        }
        removed
    }
}

/// What the case puts there that another store has given out.
fn is_copied(body: &larder_core::entry::Body) -> bool {
    &*body.bytes == b"copied"
}

impl fmt::Debug for Crooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crooked({:?})", self.flaw)
    }
}
