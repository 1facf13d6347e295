//! Rendezvous hashing: each key goes to the server whose hash together with the key's is the highest.
//!
//! Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998). A server with weight `w`
//! draws `w` times, so its share is exactly `w` parts; only integers take part, so that no rounding of logarithms
//! can differ between machines.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Member;

/// The largest weight after reduction. Each unit costs about a nanosecond per key.
const MAX_WEIGHT: u32 = 100;

#[derive(Debug)]
pub(crate) struct Rendezvous {
    /// A hash for each draw of each server.
    draws: Vec<(u64, usize)>,
}

impl Rendezvous {
    pub(super) fn new(members: &[Member]) -> Result<Self, String> {
        let divisor = members.iter().map(|member| member.weight).fold(0, greatest_common_divisor).max(1);
        let mut draws = Vec::new();
        for (place, member) in members.iter().enumerate() {
            let weight = member.weight / divisor;
            if weight > MAX_WEIGHT {
                return Err(format!(
                    "the weight {} is {weight} when reduced by the common divisor, more than {MAX_WEIGHT}; \
                     choose rounder ones, or `hashing = \"ketama\"`",
                    member.weight
                ));
            }
            let name = member.identity.as_bytes();
            draws.extend((0..u64::from(weight)).map(|draw| (xxh3_64_with_seed(name, draw), place)));
        }
        Ok(Self { draws })
    }

    pub(super) fn server(&self, key: u64) -> usize {
        let highest = self.draws.iter().max_by_key(|(draw, _)| mix(key ^ draw));
        highest.map_or(0, |(_, place)| *place)
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, 2014): every bit of the input changes about half of the
/// bits of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    /// Where entries are in production: a change here empties everybody's caches.
    #[test]
    fn golden_vectors() {
        let member = |identity: &str, weight| Member { identity: identity.into(), weight };
        let even =
            Rendezvous::new(&[member("a:11211", 1), member("b:11211", 1), member("c:11211", 1)]).unwrap();
        let uneven = Rendezvous::new(&[member("a:11211", 20), member("/run/m.sock", 30)]).unwrap();
        for (key, in_even, in_uneven) in [
            ("users:ada", 0, 1),
            ("users:grace", 2, 1),
            ("users:#1", 2, 1),
            ("users:#2", 0, 0),
            ("users:#3", 1, 1),
            ("shop/pages@2:popular:region=us", 0, 1),
        ] {
            let hash = xxh3_64(key.as_bytes());
            assert_eq!((even.server(hash), uneven.server(hash)), (in_even, in_uneven), "{key}");
        }
    }

    #[test]
    fn weights_are_reduced() {
        let member = |weight| Member { identity: format!("{weight}"), weight };
        assert_eq!(Rendezvous::new(&[member(600), member(300)]).unwrap().draws.len(), 3);
        assert_eq!(Rendezvous::new(&[member(7)]).unwrap().draws.len(), 1);
        Rendezvous::new(&[member(101), member(1)]).unwrap_err();
    }
}
