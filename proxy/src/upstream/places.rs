//! The addresses of an upstream, and which of them are well.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use http::uri::Authority;

use crate::configuration::Address;

/// The addresses of an upstream.
#[derive(Debug)]
pub(super) struct Places {
    all: Vec<Place>,
    /// How often an address has got well or ill.
    changes: AtomicU64,
}

#[derive(Debug)]
struct Place {
    address: Address,
    is_well: AtomicBool,
    why: Mutex<Option<String>>,
}

/// Whether an address is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) address: String,
    pub(crate) is_well: bool,
    /// Why it is not.
    pub(crate) why: Option<String>,
}

impl Places {
    /// All are well until somebody says otherwise.
    pub(super) fn new(addresses: Vec<Address>) -> Self {
        let place = |address| Place { address, is_well: AtomicBool::new(true), why: Mutex::default() };
        Self { all: addresses.into_iter().map(place).collect(), changes: AtomicU64::new(0) }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.all.iter().map(|place| &place.address)
    }

    /// All of them, from this one on; those that are well first.
    pub(super) fn in_turn(&self, first: usize) -> impl Iterator<Item = &Address> {
        let count = self.all.len();
        let turns = move |is_well: bool| {
            let in_turn = (0..count).filter_map(move |turn| self.all.get(first.wrapping_add(turn) % count));
            in_turn
                .filter(move |place| place.is_well.load(Ordering::Relaxed) == is_well)
                .map(|place| &place.address)
        };
        turns(true).chain(turns(false))
    }

    /// The name under which connections are kept. It is another one after each change, so that none is used that was made before.
    pub(super) fn name(&self) -> Authority {
        match self.changes.load(Ordering::Relaxed) {
            0 => Authority::from_static("upstream"),
            changes => Authority::from_maybe_shared(format!("upstream-{changes}"))
                .unwrap_or_else(|_| Authority::from_static("upstream")),
        }
    }

    /// The address at this place is well, or not, and why. True if that is new.
    pub(super) fn tell(&self, place: usize, why: Option<String>) -> bool {
        let Some(place) = self.all.get(place) else { return false };
        let is_well = why.is_none();
        *place.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        let is_new = place.is_well.swap(is_well, Ordering::Relaxed) != is_well;
        if is_new {
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        is_new
    }

    pub(super) fn healths(&self) -> Vec<Health> {
        let health = |place: &Place| Health {
            address: place.address.to_string(),
            is_well: place.is_well.load(Ordering::Relaxed),
            why: place.why.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        self.all.iter().map(health).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_turn(places: &Places, first: usize) -> Vec<u16> {
        places.in_turn(first).map(|address| address.port).collect()
    }

    #[test]
    fn those_that_are_not_well_come_last() {
        let places = Places::new((1..=3).map(|port| Address { host: "a".to_owned(), port }).collect());
        assert_eq!((in_turn(&places, 0), in_turn(&places, 4)), (vec![1, 2, 3], vec![2, 3, 1]));
        let before = places.name();
        assert!(places.tell(1, Some("ill".to_owned())) && !places.tell(1, Some("still".to_owned())));
        assert_ne!(places.name(), before, "connections to it are not used any more");
        assert_eq!((in_turn(&places, 0), in_turn(&places, 1)), (vec![1, 3, 2], vec![3, 1, 2]));
        assert_eq!(places.healths()[1].why.as_deref(), Some("still"));
        assert!(places.tell(1, None));
        assert_eq!(in_turn(&places, 0), [1, 2, 3]);
        assert!(in_turn(&Places::new(Vec::new()), 5).is_empty());
    }
}
