//! Which of several servers has a key. It depends on the key's text and on the servers' names and weights and
//! on nothing else, so that every process on every machine comes to the same.

mod ketama;
mod rendezvous;

use serde::{Deserialize, Serialize};

use self::{ketama::Ketama, rendezvous::Rendezvous};
use crate::protocol::WireKey;

/// How keys are spread over several servers. When a server is added to n others, or taken away, one key in n
/// moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hashing {
    /// Each key goes to the server with the highest hash of key and server together: spread evenly, with no
    /// table. Best below some fifty servers.
    #[default]
    Rendezvous,
    /// The ring of libmemcached (`KETAMA_WEIGHTED`, with MD5) and of twemproxy (`distribution: ketama`,
    /// `hash: md5`), point for point: for servers that are shared with their clients. Shares differ by some
    /// 10 to 20 percent.
    Ketama,
}

/// A server as the ring knows it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// What places it on the ring.
    pub(crate) identity: String,
    /// Its share, compared with the others'.
    pub(crate) weight: u32,
}

/// Servers that keys are spread over.
#[derive(Debug)]
pub(crate) enum Ring {
    One,
    Rendezvous(Rendezvous),
    Ketama(Ketama),
}

impl Ring {
    /// # Errors
    /// Why the weights cannot be used.
    pub(crate) fn new(hashing: Hashing, members: &[Member]) -> Result<Self, String> {
        let ring = match hashing {
            Hashing::Rendezvous => Self::Rendezvous(Rendezvous::new(members)?),
            Hashing::Ketama => Self::Ketama(Ketama::new(members)),
        };
        Ok(if members.len() == 1 { Self::One } else { ring })
    }

    /// The place of the key's server in the list of members. `hash` is the key's.
    pub(crate) fn server(&self, key: &WireKey, hash: u64) -> usize {
        match self {
            Self::One => 0,
            Self::Rendezvous(rendezvous) => rendezvous.server(hash),
            Self::Ketama(ketama) => ketama.server(key.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_core::{
        error::Operation,
        key::{Key, Namespace, StoreKey},
    };

    use super::*;

    const KEYS: usize = 20_000;

    fn members(weights: &[u32]) -> Vec<Member> {
        let member =
            |(n, weight): (usize, &u32)| Member { identity: format!("10.0.0.{n}:11211"), weight: *weight };
        weights.iter().enumerate().map(member).collect()
    }

    /// The names of the servers that 20 000 keys are on.
    fn placed(hashing: Hashing, members: &[Member]) -> Vec<String> {
        let ring = Ring::new(hashing, members).unwrap();
        let namespace = Namespace::new("users", 0).unwrap();
        let place = |n| {
            let key = WireKey::new(&StoreKey::new(&namespace, &Key::new(n)), Operation::Get).unwrap();
            members[ring.server(&key, key.hash())].identity.clone()
        };
        (0..KEYS).map(place).collect()
    }

    #[test]
    fn taking_a_server_away_moves_its_keys_and_no_others() {
        for hashing in [Hashing::Rendezvous, Hashing::Ketama] {
            for servers in [2, 3, 5, 10] {
                let before = members(&vec![1; servers]);
                let gone = 1;
                let mut after = before.clone();
                after.remove(gone);
                let pairs = placed(hashing, &before).into_iter().zip(placed(hashing, &after));
                let (on_it, others): (Vec<_>, Vec<_>) =
                    pairs.partition(|(old, _)| *old == before[gone].identity);
                let moved = others.iter().filter(|(old, new)| old != new).count();
                // With floats, ketama does not give every server the same number of points for every number
                // of servers, so a handful of the others may move as well.
                let allowed = if hashing == Hashing::Ketama { KEYS / 50 } else { 0 };
                assert!(moved <= allowed, "{hashing:?}, {servers} servers: {moved} others moved");
                let percent = on_it.len() * servers * 100 / KEYS;
                assert!(
                    (70..130).contains(&percent),
                    "{hashing:?}, {servers} servers: {percent} % of a share"
                );
            }
        }
    }

    #[test]
    fn weights_are_shares() {
        for hashing in [Hashing::Rendezvous, Hashing::Ketama] {
            let members = members(&[100, 200, 500]);
            let placed = placed(hashing, &members);
            for (member, eighths) in members.iter().zip([1, 2, 5]) {
                let has = placed.iter().filter(|server| **server == member.identity).count();
                let percent = has * 800 / (KEYS * eighths);
                assert!((80..120).contains(&percent), "{hashing:?}: {member:?} has {percent} % of its share");
            }
        }
    }

    #[test]
    fn the_order_of_the_list_means_nothing() {
        for hashing in [Hashing::Rendezvous, Hashing::Ketama] {
            let members = members(&[1, 2, 3]);
            let reversed: Vec<Member> = members.iter().rev().cloned().collect();
            assert_eq!(placed(hashing, &members), placed(hashing, &reversed));
        }
    }
}
