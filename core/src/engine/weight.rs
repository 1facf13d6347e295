//! About how many bytes a value takes in memory, by walking through it as serde does.

use std::io;

use serde::Serialize;

/// An estimate: the size of the type itself, and the length of everything in it as MessagePack would write it
/// without names. What serde skips is not seen, nor are spare capacity and the allocator's rounding.
pub(crate) fn serialized_weight<T: Serialize>(value: &T) -> u64 {
    let mut scale = Scale(size_of::<T>() as u64);
    // Writing to the scale cannot fail; a value whose own `Serialize` does weighs what was seen until then.
    let _ = value.serialize(&mut rmp_serde::Serializer::new(&mut scale));
    scale.0
}

struct Scale(u64);

impl io::Write for Scale {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::serialized_weight;

    #[test]
    fn contents_count() {
        let small = serialized_weight(&"x".repeat(10));
        let large = serialized_weight(&"x".repeat(10_010));
        assert!((10_000..10_010).contains(&(large - small)), "{small} {large}");
        assert!(serialized_weight(&vec![0_u64; 1000]) >= 1000);
    }
}
