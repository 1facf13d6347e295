//! Texts of tens of megabytes that no codec shrinks, made once for all cases: to make them character by character, on the
//! threads that run the cases, takes seconds in which nothing else runs.

use std::sync::{Mutex, PoisonError};

use crate::{blocking::apart, families::Random};

/// A text of this many bytes, six bits of chance in each. Every longer one begins with every shorter one.
pub(crate) async fn incompressible(len: usize) -> String {
    static MADE: Mutex<String> = Mutex::new(String::new());
    let work = move || {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() < len {
            *made = make(len);
        }
        made[..len].to_owned()
    };
    apart(work).await
}

fn make(len: usize) -> String {
    const PER_NUMBER: usize = 10;
    let mut random = Random::seeded(7);
    let mut text = String::with_capacity(len + PER_NUMBER);
    while text.len() < len {
        let mut number = random.next();
        for _ in 0..PER_NUMBER {
            text.push(char::from(b'0' + (number & 63) as u8));
            number >>= 6;
        }
    }
    text.truncate(len);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[tokio::test]
    async fn longer_texts_begin_with_shorter_ones() {
        let short = incompressible(1001).await;
        let long = incompressible(100_000).await;
        assert_eq!((short.len(), long.len()), (1001, 100_000));
        assert!(long.starts_with(&short));
        assert_eq!(incompressible(1001).await, short);
    }

    /// As many of each character: what a codec can save is at most what 64 characters do not use of a byte.
    #[tokio::test]
    async fn no_character_is_preferred() {
        let mut counts = BTreeMap::<u8, usize>::new();
        for byte in incompressible(640_000).await.bytes() {
            *counts.entry(byte).or_default() += 1;
        }
        assert_eq!(counts.len(), 64);
        assert!(counts.values().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
    }
}
