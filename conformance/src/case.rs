//! A case: one promise, and what is done to see whether it is kept.

use std::{fmt, future::Future, pin::Pin};

use larder_core::backend::Capabilities;

use crate::{context::Context, failure::Failure};

pub(crate) type Run =
    for<'a> fn(&'a Context) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One behaviour that a backend promises.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// What it is about.
    pub family: &'static str,
    /// What is promised, as a name.
    pub behaviour: &'static str,
    /// What is promised, as a sentence of the contract.
    pub promise: &'static str,
    /// What a store must be able to do for the case to mean anything.
    pub needs: &'static [Ability],
    /// Whether it mostly waits.
    pub weight: Weight,
    pub(crate) run: Run,
}

impl Case {
    /// `family::behaviour`.
    pub fn name(&self) -> String {
        format!("{}::{}", self.family, self.behaviour)
    }

    /// The first ability that this store lacks for the case.
    pub(crate) fn lacks(&self, store: &Abilities) -> Option<Ability> {
        self.needs.iter().copied().find(|need| !store.has(*need))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// How much a case asks of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Weight {
    /// It mostly waits: many such cases run side by side.
    Light,
    /// It keeps a processor busy, or has values of many megabytes: it runs while no other case does.
    Heavy,
}

/// What a store may or may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// Keeps what it is given.
    Storing,
    /// Keeps nothing, as the null backend does.
    KeepingNothing,
    /// Of several concurrent adds exactly one succeeds.
    AtomicAdd,
    /// Writes on the condition that an entry is unchanged.
    CompareAndSet,
    /// Has counters.
    Counting,
    /// Other processes see the same entries: the store is given a second time by [`Store::with_peer`](crate::Store::with_peer).
    Sharing,
    /// Entries are in this process: a hit needs no future.
    InProcess,
    /// Counts time by the clock it is given.
    InjectedClock,
    /// Has a largest value that is known and small enough to try, at most 64 MiB.
    KnownLimit,
    /// Foreign bytes can be put under a key: [`Store::with_vandal`](crate::Store::with_vandal).
    ForeignBytes,
    /// Is bounded by a number of entries: [`Store::with_bound`](crate::Store::with_bound).
    BoundedByEntries,
    /// Is bounded by a number of bytes: [`Store::with_bound`](crate::Store::with_bound).
    BoundedByBytes,
    /// The bytes under a key can be seen: [`Store::with_spy`](crate::Store::with_spy).
    SeenBytes,
    /// Has room for values above 64 KiB, unless [`Suite::small_values`](crate::Suite::small_values) says otherwise.
    LargeValues,
    /// Has a breaker, and can be made to fail: [`Store::with_breaker`](crate::Store::with_breaker).
    Breaking,
    /// Tells what others change: [`Backend::bus`](larder_core::Backend::bus).
    Telling,
    /// Is a store with near copies in front: [`Store::with_chain`](crate::Store::with_chain).
    Chained,
    /// Is two stores, of which the second stands in for the first: [`Store::with_failover`](crate::Store::with_failover).
    FailingOver,
}

impl Ability {
    /// The name that an ignored case is reported with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Storing => "storing",
            Self::KeepingNothing => "keeping nothing",
            Self::AtomicAdd => "atomic add",
            Self::CompareAndSet => "compare-and-set",
            Self::Counting => "counters",
            Self::Sharing => "sharing between processes",
            Self::InProcess => "in process",
            Self::InjectedClock => "injected clock",
            Self::KnownLimit => "known largest value",
            Self::ForeignBytes => "foreign bytes",
            Self::BoundedByEntries => "bounded by entries",
            Self::BoundedByBytes => "bounded by bytes",
            Self::SeenBytes => "seeing the stored bytes",
            Self::LargeValues => "values above 64 KiB",
            Self::Breaking => "a breaker",
            Self::Telling => "a bus",
            Self::Chained => "near copies",
            Self::FailingOver => "a second store",
        }
    }
}

/// What a store says of itself, and what its author gave the suite.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(crate) struct Abilities {
    pub(crate) capabilities: Capabilities,
    pub(crate) injected_clock: bool,
    pub(crate) peer: bool,
    pub(crate) vandal: bool,
    pub(crate) spy: bool,
    pub(crate) in_process: bool,
    pub(crate) counters: bool,
    pub(crate) large_values: bool,
    pub(crate) by_entries: bool,
    pub(crate) by_bytes: bool,
    pub(crate) breaker: bool,
    pub(crate) bus: bool,
    pub(crate) chain: bool,
    pub(crate) failover: bool,
}

impl Abilities {
    fn has(&self, ability: Ability) -> bool {
        let capabilities = &self.capabilities;
        match ability {
            Ability::Storing => capabilities.keeps,
            Ability::KeepingNothing => !capabilities.keeps,
            Ability::AtomicAdd => capabilities.atomic_add,
            Ability::CompareAndSet => capabilities.compare_and_set,
            Ability::Counting => self.counters,
            Ability::Sharing => capabilities.shared && self.peer,
            Ability::InProcess => self.in_process,
            Ability::InjectedClock => self.injected_clock,
            Ability::KnownLimit => capabilities.max_value.is_some_and(|max| max <= 64 * 1024 * 1024),
            Ability::ForeignBytes => self.vandal,
            Ability::BoundedByEntries => self.by_entries,
            Ability::BoundedByBytes => self.by_bytes,
            Ability::SeenBytes => self.spy,
            Ability::LargeValues => self.large_values,
            Ability::Breaking => self.breaker,
            Ability::Telling => self.bus,
            Ability::Chained => self.chain,
            Ability::FailingOver => self.failover,
        }
    }
}

/// Declares the cases of a family: name, needs, promise, and an async function of the same name. Every case
/// needs a store that keeps things, unless the family says what its cases need instead; none is heavy, unless
/// the family says that all are.
macro_rules! family {
    ($family:literal: $($cases:tt)*) => {
        $crate::case::family! { $family needs [Storing] weighs Light: $($cases)* }
    };
    ($family:literal heavy: $($cases:tt)*) => {
        $crate::case::family! { $family needs [Storing] weighs Heavy: $($cases)* }
    };
    ($family:literal needs $every:tt: $($cases:tt)*) => {
        $crate::case::family! { $family needs $every weighs Light: $($cases)* }
    };
    ($family:literal needs $every:tt weighs $weight:ident: $(
        $(#[needs($($need:ident),*)])? $behaviour:ident = $promise:literal;
    )*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case {
                family: $family,
                behaviour: stringify!($behaviour),
                promise: $promise,
                needs: $crate::case::needs!($every $($($need),*)?),
                weight: $crate::case::Weight::$weight,
                run: |context| Box::pin($behaviour(context)),
            },
        )*];
    };
}
pub(crate) use family;

macro_rules! needs {
    ([$($every:ident),*] $($need:ident),*) => {
        &[$($crate::case::Ability::$every,)* $($crate::case::Ability::$need,)*]
    };
}
pub(crate) use needs;

/// Declares cases that do the same in several ways: name, needs, promise, and a call of an async function, to which the
/// context is given first. Every case needs a store that keeps things.
macro_rules! matrix {
    ($family:literal: $(
        $(#[needs($($need:ident),*)])? $behaviour:ident = $promise:literal => $run:ident($($way:expr),*);
    )*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case {
                family: $family,
                behaviour: stringify!($behaviour),
                promise: $promise,
                needs: $crate::case::needs!([Storing] $($($need),*)?),
                weight: $crate::case::Weight::Light,
                run: |context| Box::pin($run(context, $($way),*)),
            },
        )*];
    };
}
pub(crate) use matrix;
