//! How lanes are measured: side by side in one process, in turns, every other round in reverse order.
//!
//! A row is a function that gets a [`Bench`]. It makes the lanes of a group, and says which are compared:
//!
//! ```text
//! pub(crate) fn rows() -> Vec<RowDef> {
//!     vec![RowDef { name: "near", about: "hits in memory", run }]
//! }
//!
//! fn run(bench: &mut Bench) -> Outcome {
//!     let lanes = vec![Lane::threads("larder get", 1, bench.handle(), picks, body).ours(), …];
//!     let compared = vec![Comparison::ratio("quick-cache.get.1", "larder get", "quick_cache")];
//!     bench.group("quick-cache, 1 thread", lanes, compared)
//! }
//! ```
//!
//! A comparison's target is looked up in `targets.toml` by the row's name and the comparison's. All lanes of a group are
//! alive while it is measured; what a group holds is dropped before the next is made.

pub(crate) mod alloc;
pub(crate) mod bench;
pub(crate) mod comparison;
pub(crate) mod cpu;
pub(crate) mod lane;
pub(crate) mod sample;
pub(crate) mod spread;
pub(crate) mod targets;
pub(crate) mod values;

pub(crate) use self::bench::{Bench, Outcome, RowDef};
pub(crate) use self::comparison::{Comparison, Measure};
pub(crate) use self::cpu::Server;
pub(crate) use self::lane::Lane;
pub(crate) use self::sample::Sample;
