//! The shape of a value: how many elements each of its structs and tuples has, as a number. Where fields are known by their
//! place, what was written with one shape cannot be read with another.

use std::cell::Cell;

/// Structs and tuples so far, each noted when it ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape(Cell<u64>);

impl Shape {
    /// That a struct or a tuple with so many elements has ended.
    #[inline]
    pub(super) fn note(&self, elements: usize) {
        // The multiplier is SplitMix64's: what was noted before is mixed by what comes after, so the order counts.
        let mixed = self.0.get().wrapping_add(elements as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0.set(mixed.rotate_left(29));
    }

    /// The shape in four bytes; `None` when there was no struct and no tuple.
    #[cfg(any(feature = "postcard", test))]
    pub(super) fn bytes(&self) -> Option<[u8; 4]> {
        let shape = self.0.get();
        #[allow(clippy::cast_possible_truncation, reason = "both halves are in it")]
        (shape != 0).then(|| ((shape ^ (shape >> 32)) as u32).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn number_order_and_sizes_count() {
        let shape = |sizes: &[usize]| {
            let shape = Shape::default();
            sizes.iter().for_each(|size| shape.note(*size));
            shape.bytes()
        };
        assert_eq!(shape(&[]), None);
        let all = [&[0][..], &[1], &[2], &[0, 0], &[1, 2], &[2, 1], &[1, 1, 1], &[2, 2], &[3, 0]];
        for (place, one) in all.iter().enumerate() {
            assert!(shape(one).is_some());
            assert!(all[..place].iter().all(|other| shape(other) != shape(one)), "{one:?}");
        }
    }
}
