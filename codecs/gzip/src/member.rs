//! What gzip puts around a deflate stream: RFC 1952, one member.
//!
//! It is written and read here, and not by the library below, because only the state of a bare deflate stream
//! can be used again for the next value.

use flate2::Crc;

/// No name, no time, an unknown system: the same value always becomes the same bytes.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, DEFLATE, 0, 0, 0, 0, 0, 0, 255];
/// Checksum and length.
pub(crate) const TRAILER: usize = 8;

const DEFLATE: u8 = 8;
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The trailer for these bytes, whose number is below 2^32.
pub(crate) fn trailer(raw: &[u8]) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    trailer[..4].copy_from_slice(&checksum(raw).to_le_bytes());
    // The format counts modulo 2^32.
    let [a, b, c, d, ..] = (raw.len() as u64).to_le_bytes();
    trailer[4..].copy_from_slice(&[a, b, c, d]);
    trailer
}

/// The deflate stream and the trailer of a member; why it is none.
pub(crate) fn open(member: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let cut = "it ends in the header";
    let (fixed, mut rest) = member.split_first_chunk::<10>().ok_or(cut)?;
    let flags = fixed[3];
    if fixed[..3] != HEADER[..3] {
        return Err("it does not begin like gzip data");
    }
    if flags & RESERVED != 0 {
        return Err("the header has flags that this version does not know");
    }
    if flags & EXTRA != 0 {
        let (len, after) = rest.split_first_chunk().ok_or(cut)?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..).ok_or(cut)?;
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or(cut)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        let header = &member[..member.len() - rest.len()];
        let (sum, after) = rest.split_first_chunk().ok_or(cut)?;
        if checksum(header) & 0xffff != u32::from(u16::from_le_bytes(*sum)) {
            return Err("the header's checksum does not match");
        }
        rest = after;
    }
    let stream = rest.len().checked_sub(TRAILER).ok_or("it ends before the trailer")?;
    Ok(rest.split_at(stream))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
