//! How each of the others is set up and asked, the same for all rows. Capacity and TTL are those of Larder's lanes.

pub(crate) mod cached;
pub(crate) mod cachet;
pub(crate) mod hitbox;
pub(crate) mod larder;
pub(crate) mod multi_tier;

use std::time::Duration;

/// Twice what is kept, so that nothing is evicted while hits are measured.
pub(crate) const CAPACITY: usize = 100_000;
/// Long enough for nothing to expire.
pub(crate) const TTL: Duration = Duration::from_hours(1);
