//! Envelopes that were damaged on the way or at rest.

use larder_core::{Key, envelope, miss::Undecodable};

use super::{super::random::Random, envelope, is_unreadable, put, written};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    probe::Probe,
    value::Value,
};

family! { "envelope":
    #[needs(ForeignBytes)] genuine_bytes_are_a_hit = "An envelope that another process wrote is an entry like any other.";
    #[needs(ForeignBytes)] every_truncation_is_a_miss = "An envelope that ends too early, at whatever byte, is a miss with a reason.";
    #[needs(ForeignBytes, LargeValues)] every_truncation_of_a_large_value_is_a_miss = "A large envelope that ends too early is a miss with a reason.";
    #[needs(ForeignBytes)] a_flipped_bit_in_every_byte_is_a_miss = "A flipped bit, in whatever byte, is a miss with a reason and never a wrong value.";
    #[needs(ForeignBytes, LargeValues)] a_flipped_bit_in_a_large_value_is_a_miss = "A flipped bit in a large value is a miss with a reason.";
    #[needs(ForeignBytes)] what_follows_the_end_is_a_miss = "An envelope that goes on after its end is a miss with a reason.";
    #[needs(ForeignBytes)] two_envelopes_in_one_are_a_miss = "Two envelopes one after the other are a miss with a reason.";
    #[needs(ForeignBytes)] swapped_halves_are_a_miss = "The head of one envelope before the body of another is a miss, even of the same key and length.";
    #[needs(ForeignBytes)] a_lying_length_allocates_nothing = "An envelope that declares 2^63 bytes is a miss, and nothing is allocated.";
    #[needs(ForeignBytes)] a_lengthened_life_is_found_out = "An envelope whose life was lengthened by hand is a miss: it does not come alive again.";
    #[needs(ForeignBytes)] damaged_members_fail_alone = "In `get_many` a damaged entry is a miss, its neighbours are hits.";
}

async fn genuine_bytes_are_a_hit(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.cache().at(&key).user_meta("found", "42").tag("tag").set("v".into()).await?;
    let bytes = envelope(t, &key).await?;
    cache.delete("k").await?;
    same(cache.get("k").await?, None)?;
    put(t, &key, &bytes).await;
    same(cache.get("k").await?, Some("v".into()))?;
    let seen = cache.cache().get(&key).await?.and_then(|seen| seen.meta().user("found").cloned());
    same(seen.as_deref(), Some(&b"42"[..]))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn every_truncation_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = written(t, &cache, "v").await?;
    for len in 0..bytes.len() {
        ends_too_early(t, &cache, &key, &bytes[..len]).await?;
    }
    Ok(())
}

/// These bytes are the beginning of an envelope, or too few to tell.
async fn ends_too_early(t: &Context, cache: &Probe, key: &Key, bytes: &[u8]) -> Verdict {
    let why = is_unreadable(t, cache, key, bytes).await?;
    let fits =
        why == Undecodable::Length || (bytes.len() < envelope::MAGIC.len() && why == Undecodable::Foreign);
    holds(fits, &format!("a miss because {} bytes are too few", bytes.len()), why)
}

async fn every_truncation_of_a_large_value_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = written(t, &cache, &"large ".repeat(50_000)).await?;
    let lengths = [0, 1, 95, 96, 97, 1023, 1024, 4096, 65_535, 65_536, bytes.len() / 2, bytes.len() - 1];
    let lengths = lengths.into_iter().filter(|length| *length < bytes.len());
    for len in lengths {
        ends_too_early(t, &cache, &key, &bytes[..len]).await?;
    }
    Ok(())
}

async fn a_flipped_bit_in_every_byte_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    let (key, bytes) = written(t, &cache, "v").await?;
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << random.below(8);
        t.note(&format!("// byte {place} of {}: {:#04x}", bytes.len(), bytes[place]), flipped[place]);
        is_unreadable(t, &cache, &key, &flipped).await?;
    }
    Ok(())
}

async fn a_flipped_bit_in_a_large_value_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut random = Random::new(t);
    let (key, bytes) = written(t, &cache, &"large ".repeat(50_000)).await?;
    for _ in 0..10 {
        let place = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << random.below(8);
        t.note(&format!("// byte {place} of {}: {:#04x}", bytes.len(), bytes[place]), flipped[place]);
        is_unreadable(t, &cache, &key, &flipped).await?;
    }
    Ok(())
}

async fn what_follows_the_end_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = written(t, &cache, "v").await?;
    for more in [&b"\0"[..], b"\r\n", b" ", &[0xff; 1000]] {
        same(is_unreadable(t, &cache, &key, &[&bytes, more].concat()).await?, Undecodable::Length)?;
    }
    Ok(())
}

async fn two_envelopes_in_one_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = written(t, &cache, "v").await?;
    same(is_unreadable(t, &cache, &key, &bytes.repeat(2)).await?, Undecodable::Length)
}

async fn swapped_halves_are_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    let (_, one) = written(t, &cache, "one value").await?;
    let (key, other) = written(t, &cache, "otherwise").await?;
    same(one.len(), other.len())?;
    // The value's text is what comes last.
    let border = one.len() - "one value".len();
    let swapped = [&one[..border], &other[border..]].concat();
    same(is_unreadable(t, &cache, &key, &swapped).await?, Undecodable::Checksum)
}

async fn a_lying_length_allocates_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    let (key, bytes) = written(t, &cache, "v").await?;
    // The header's length at 16, the body's at 24: docs of `larder_core::envelope`.
    for (place, lie) in [(16, &u32::MAX.to_le_bytes()[..]), (16, &[0; 4]), (16, &[97, 0, 0, 0])]
        .into_iter()
        .chain([(24, &(1_u64 << 63).to_le_bytes()[..]), (24, &u64::MAX.to_le_bytes()), (24, &[0; 8])])
    {
        let mut lying = bytes.clone();
        lying[place..place + lie.len()].copy_from_slice(lie);
        is_unreadable(t, &cache, &key, &lying).await?;
    }
    Ok(())
}

async fn a_lengthened_life_is_found_out(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set_for("k", "v", t.short() * 100).await?;
    let mut bytes = envelope(t, &key).await?;
    let moments = envelope::LIFETIME.start..envelope::LIFETIME.end - 8;
    bytes[moments].fill(0xff);
    same(is_unreadable(t, &cache, &key, &bytes).await?, Undecodable::Checksum)
}

async fn damaged_members_fail_alone(t: &Context) -> Verdict {
    let cache = t.cache();
    let keys: Vec<Key> = (0..20_u32).map(|number| Key::new("k").part(number)).collect();
    for key in &keys {
        cache.set(key.clone(), "v").await?;
    }
    for key in keys.iter().step_by(3) {
        let mut bytes = envelope(t, key).await?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        put(t, key, &bytes).await;
    }
    let seen = cache.get_many(&keys).await?;
    for (number, seen) in seen.into_iter().enumerate() {
        let expected = Some(Value::from("v")).filter(|_| number % 3 != 0);
        same((number, seen?), (number, expected))?;
    }
    let undecodable = cache.cache().stats().undecodable;
    holds(undecodable == 7, "seven entries that could not be read", undecodable)
}
