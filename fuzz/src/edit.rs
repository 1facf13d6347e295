//! What can happen to bytes on their way.

use arbitrary::Arbitrary;

/// A change of bytes. Places beyond the end wrap around or, for numbers, change nothing.
#[derive(Debug, Clone, Arbitrary)]
pub enum Edit {
    /// Another byte.
    Set {
        /// Where.
        at: u16,
        /// Which.
        byte: u8,
    },
    /// Another bit.
    Flip {
        /// Where, in bits.
        bit: u16,
    },
    /// Another number of 64 bits, near the beginning.
    Word {
        /// Where.
        at: u8,
        /// Which.
        value: u64,
    },
    /// Another number of 32 bits, near the beginning.
    Half {
        /// Where.
        at: u8,
        /// Which.
        value: u32,
    },
    /// More in the middle.
    Insert {
        /// Where.
        at: u16,
        /// What.
        bytes: Vec<u8>,
    },
    /// Less in the middle.
    Remove {
        /// Where.
        at: u16,
        /// How many.
        len: u8,
    },
    /// Less at the end.
    Truncate {
        /// How many remain.
        len: u16,
    },
    /// More at the end.
    Append {
        /// What.
        bytes: Vec<u8>,
    },
}

impl Edit {
    /// The bytes after the change.
    pub fn apply(mut bytes: Vec<u8>, edit: &Self) -> Vec<u8> {
        let len = bytes.len();
        let within = |at: u16| usize::from(at) % len.max(1);
        match edit {
            Self::Append { bytes: more } => bytes.extend(more),
            _ if len == 0 => {}
            Self::Set { at, byte } => bytes[within(*at)] = *byte,
            Self::Flip { bit } => bytes[within(bit / 8)] ^= 1 << (bit % 8),
            Self::Word { at, value } => overwrite(&mut bytes, *at, &value.to_le_bytes()),
            Self::Half { at, value } => overwrite(&mut bytes, *at, &value.to_le_bytes()),
            Self::Insert { at, bytes: more } => {
                bytes.splice(within(*at)..within(*at), more.iter().copied());
            }
            Self::Remove { at, len: removed } => {
                let at = within(*at);
                bytes.drain(at..(at + usize::from(*removed)).min(len));
            }
            Self::Truncate { len } => bytes.truncate(within(*len)),
        }
        bytes
    }
}

fn overwrite(bytes: &mut [u8], at: u8, with: &[u8]) {
    let at = usize::from(at);
    if let Some(place) = bytes.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}
