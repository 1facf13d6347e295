//! Ketama: servers own points on a circle of 2³² places, and a key goes to the next point.
//!
//! Point for point that of libmemcached (`src/libmemcached/hosts.cc`, `KETAMA_WEIGHTED`) and of twemproxy
//! (`src/hashkit/nc_ketama.c` with `hash: md5`): 160 points for a server of average weight, four from each MD5 of
//! `name-0`, `name-1` and so on, and the key by the first four bytes of its MD5.

use md5::{Digest as _, Md5};

use super::Member;

const POINTS_PER_SERVER: f32 = 160.0;
const POINTS_PER_DIGEST: usize = 4;

#[derive(Debug)]
pub(crate) struct Ketama {
    /// Points and the servers that own them, in the order of the circle.
    points: Vec<(u32, usize)>,
}

impl Ketama {
    pub(super) fn new(members: &[Member]) -> Self {
        let total: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
        let mut points = Vec::new();
        for (place, member) in members.iter().enumerate() {
            for digest in 0..digests(member.weight, total, members.len()) {
                let digest = Md5::digest(format!("{}-{digest}", member.identity));
                points.extend((0..POINTS_PER_DIGEST).map(|point| (number(&digest, point), place)));
            }
        }
        points.sort_by_key(|(point, _)| *point);
        Self { points }
    }

    pub(super) fn server(&self, key: &[u8]) -> usize {
        let key = number(&Md5::digest(key), 0);
        let next = self.points.partition_point(|(point, _)| *point < key);
        // Behind the last point comes the first.
        self.points.get(next).or(self.points.first()).map_or(0, |(_, place)| *place)
    }
}

/// How many digests' worth of points a server owns. In the floats of the original: where 40 comes out as
/// 39.99999 there, it has to here.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn digests(weight: u32, total: u64, members: usize) -> u32 {
    let share = weight as f32 / total as f32;
    (share * POINTS_PER_SERVER / POINTS_PER_DIGEST as f32 * members as f32 + 0.000_000_000_1).floor() as u32
}

/// The number in the digest's `nth` four bytes.
fn number(digest: &[u8], nth: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&digest[4 * nth..][..4]);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(identity: impl Into<String>, weight: u32) -> Member {
        Member { identity: identity.into(), weight }
    }

    /// The servers of libmemcached's own test (`test/tests/memcached/ketama.cpp`): 10.0.1.1 to 10.0.1.8.
    fn libmemcached() -> Ketama {
        let weights = [600, 300, 200, 350, 1000, 800, 950, 100];
        let members: Vec<Member> =
            (1..).zip(weights).map(|(n, weight)| member(format!("10.0.1.{n}"), weight)).collect();
        Ketama::new(&members)
    }

    /// Keys and their servers, from `test/fixtures/ketama.hpp` of libmemcached.
    #[test]
    fn golden_vectors_of_libmemcached() {
        let ring = libmemcached();
        for (key, server) in VECTORS {
            assert_eq!(ring.server(key.as_bytes()) + 1, *server, "{key}");
        }
    }

    #[test]
    fn behind_the_last_point_comes_the_first() {
        let ring = libmemcached();
        // Its MD5 begins with b5 d1 fc ff.
        let key = b"VDEAAAAA";
        assert!(number(&Md5::digest(key), 0) > ring.points.last().unwrap().0);
        assert_eq!(ring.server(key), ring.points[0].1);
    }

    #[test]
    fn servers_of_average_weight_own_160_points_or_what_floats_make_of_it() {
        for members in 1..200 {
            let digests = digests(1, members as u64, members);
            assert!(digests == 40 || digests == 39, "{members} servers: {digests}");
        }
        assert_eq!(Ketama::new(&[member("a", 1), member("b", 1), member("c", 1)]).points.len(), 480);
    }

    const VECTORS: &[(&str, usize)] = &[
        ("SVa_]_V41)", 7),
        ("30C1*Z*S/_", 2),
        ("1I=cTMNTKF", 5),
        ("UUTC`-V159", 5),
        ("/XLN0@+36;", 1),
        ("726bW=9*a4", 7),
        ("P1[Ma3=K1/", 8),
        ("D[HE+cFXDK", 3),
        ("cDT0)Z5P6,", 5),
        ("\\39DKW^)N_", 3),
        ("`,SS]NBP,b", 1),
        ("Zc\\-,F-c6V", 5),
        ("*Xc+V0P>32", 7),
        ("R-08RNTaRT", 5),
        ("=256P+;Qc8", 5),
        ("2TLRL/UL;:", 7),
        (".=54)_c;=T", 1),
        ("(,>E`)FT\\4", 2),
        ("NZ@ZE=O84_", 7),
        ("c,5AQ/T5)6", 8),
        ("XY\\X::LX50", 6),
        ("<.X9E2S5+9", 7),
        ("8(6=(T0/Z0", 7),
        ("<QW:;3K6;H", 5),
        ("aPb3E1WD4K", 1),
        ("QR(a+Q=1FU", 6),
        ("UNHVP..^8H", 4),
        ("M/HV^_HZ4O", 7),
        ("bV2,`a.PY9", 1),
        ("1S/:aJ[1(;", 2),
        ("2;M;ES>J5/", 7),
        ("J3/G[)9<^Z", 7),
        ("NP:=FR\\OaA", 7),
        ("W2`P:-+1T[", 5),
        ("U>*>9ZI6V5", 6),
        ("0OZH^9BKM[", 8),
        ("?K2NF@3=IU", 1),
        ("7cY</BSaL=", 6),
        (";=ZT\\W^P+H", 4),
        ("CTR74,J+N.", 8),
        ("\\R^7=9UCG`", 5),
        ("M(@X^b[L:K", 1),
        ("(bEIQJ:E./", 6),
        ("ZJF[Ia6Q)+", 7),
        ("\\[a\\^=V_M0", 6),
        ("4*=.SPR[AV", 1),
        ("X;-F`(N?9D", 7),
        ("X*+2aaC.EG", 5),
        ("FL;\\GWacaV", 4),
        ("VD6D0]ba_\\", 1),
    ];
}
