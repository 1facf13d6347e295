//! What is to be sent: text, and large values from where they are.

use std::{io::IoSlice, mem};

use bytes::Bytes;

/// A piece of at least this many bytes is sent from where it is; a shorter one is copied next to its request, which costs
/// less than handing the kernel another piece.
const SENT_IN_PLACE: usize = 8 * 1024;
/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 1024 * 1024;

/// Bytes to be sent, in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    text: Vec<u8>,
    /// Pieces that are sent from where they are, and how much of the text comes before each.
    pieces: Vec<(usize, Bytes)>,
    in_pieces: usize,
}

impl Outgoing {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.text.len() + self.in_pieces
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// Where to add text that is made piece by piece.
    #[inline]
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a number in decimal digits.
    #[inline]
    pub fn put_decimal(&mut self, number: u64) {
        put_digits::<10>(&mut self.text, number);
    }

    /// Adds a number in hexadecimal digits.
    #[inline]
    pub fn put_hex(&mut self, number: u64) {
        put_digits::<16>(&mut self.text, number);
    }

    /// Adds bytes without copying them if there are many.
    pub fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SENT_IN_PLACE {
            self.put(bytes);
        } else {
            self.in_pieces += bytes.len();
            self.pieces.push((self.text.len(), bytes.clone()));
        }
    }

    /// Forgets everything; a buffer of usual size stays.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.in_pieces = 0;
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        self.text.clear();
    }

    /// Takes everything, and leaves `empty`'s buffer in its place.
    pub(crate) fn swap(&mut self, empty: &mut Self) {
        mem::swap(self, empty);
    }

    /// Fills in the pieces from this byte on, as many as there is room for, and returns how many.
    pub(crate) fn slices<'a>(&'a self, from: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut skip, mut begin, mut count) = (from, 0, 0);
        let mut add = |piece: &'a [u8]| {
            if skip >= piece.len() {
                skip -= piece.len();
            } else if let Some(slot) = slices.get_mut(count) {
                *slot = IoSlice::new(&piece[skip..]);
                skip = 0;
                count += 1;
            }
        };
        for (end, piece) in &self.pieces {
            add(&self.text[begin..*end]);
            add(piece);
            begin = *end;
        }
        add(&self.text[begin..]);
        count
    }

    /// The text, if that is all there is.
    pub(crate) fn only_text(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then_some(&*self.text)
    }

    /// All of it, copied: for tests of protocols.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); 2 * self.pieces.len() + 1];
        let count = self.slices(0, &mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

/// Adds a number, without what formatting costs.
#[inline]
pub fn put_digits<const BASE: u64>(out: &mut Vec<u8>, mut number: u64) {
    // A u64 has at most 20 decimal digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        let digit = usize::try_from(number % BASE).unwrap_or(0);
        digits[at] = b"0123456789abcdef"[digit];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(out: &Outgoing, from: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let count = out.slices(from, &mut slices);
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn a_large_piece_is_sent_from_where_it_is_and_everything_in_order() {
        let mut out = Outgoing::default();
        let large = Bytes::from(vec![b'x'; SENT_IN_PLACE]);
        out.put(b"ab");
        out.share(&Bytes::from_static(b"cd"));
        out.share(&large);
        out.put(b"ef");
        out.put_decimal(1_234_567_890);
        out.put_hex(0xabc);
        let mut expected = b"abcd".to_vec();
        expected.extend_from_slice(&large);
        expected.extend_from_slice(b"ef1234567890abc");
        assert_eq!(out.len(), expected.len());
        assert_eq!(out.to_vec(), expected);
        let mut slices = [IoSlice::new(&[]); 3];
        assert_eq!(out.slices(0, &mut slices), 3);
        assert_eq!(slices[1].as_ptr(), large.as_ptr());
        for from in [0, 1, 4, 5, 4 + SENT_IN_PLACE, expected.len() - 1, expected.len()] {
            assert_eq!(rest(&out, from), &expected[from..], "{from}");
        }
        out.clear();
        assert!(out.is_empty() && out.to_vec().is_empty());
    }

    #[test]
    fn numbers_at_their_ends() {
        for (number, decimal, hex) in [
            (0, "0", "0"),
            (9, "9", "9"),
            (10, "10", "a"),
            (u64::MAX, "18446744073709551615", "ffffffffffffffff"),
        ] {
            let mut out = Outgoing::default();
            out.put_decimal(number);
            out.put(b" ");
            out.put_hex(number);
            assert_eq!(out.to_vec(), format!("{decimal} {hex}").into_bytes());
        }
    }
}
