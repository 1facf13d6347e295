//! What can be a part of a key, and how each kind is written.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

/// A value that can be a part of a key.
///
/// Implement it for types of your own by writing exactly one part:
///
/// ```
/// # use larder_core::{Key, key::{KeyPart, PartWriter}};
/// struct UserId(u64);
/// impl KeyPart for UserId {
///     fn write(&self, out: &mut PartWriter<'_>) {
///         out.integer(self.0.into());
///     }
/// }
/// assert_eq!(Key::new("user").part(UserId(7)).text(), "user:#7");
/// ```
pub trait KeyPart {
    /// Writes this value as one part.
    fn write(&self, out: &mut PartWriter<'_>);
}

/// Writes one part of a key. What follows a first write is joined by `,`, so that nothing that a
/// [`KeyPart`] writes can be taken for the next part.
#[derive(Debug)]
pub struct PartWriter<'a> {
    out: &'a mut String,
    written: bool,
}

impl<'a> PartWriter<'a> {
    pub(super) fn new(out: &'a mut String) -> Self {
        Self { out, written: false }
    }

    /// Writes text: escaped, `''` when empty.
    pub fn text(&mut self, text: &str) {
        self.begin();
        if text.is_empty() {
            self.out.push_str("''");
        }
        escape_text(text, self.out);
    }

    /// Writes an integer by value.
    pub fn integer(&mut self, integer: i128) {
        // Nearly all are small, and a division of 128 bits is a call.
        match i64::try_from(integer) {
            Ok(integer) => self.number(integer),
            Err(_) => self.number(integer),
        }
    }

    /// Writes an integer that may be too large for an `i128`.
    pub fn unsigned(&mut self, integer: u128) {
        match u64::try_from(integer) {
            Ok(integer) => self.number(integer),
            Err(_) => self.number(integer),
        }
    }

    /// Writes a bool.
    pub fn bool(&mut self, on: bool) {
        self.begin();
        self.out.push_str(if on { "!t" } else { "!f" });
    }

    /// Writes bytes, which need not be text; never the same as text of the same bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.begin();
        self.out.push('$');
        escape(bytes, self.out);
    }

    /// Writes a float by its bits. All NaNs are one; `0.0` and `-0.0` are two.
    pub fn float(&mut self, float: f64) {
        self.begin();
        let bits = if float.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { float.to_bits() };
        let _ = write!(self.out, "^{bits:016x}");
    }

    /// Writes the absence of a value.
    pub fn none(&mut self) {
        self.begin();
        self.out.push('~');
    }

    /// Writes parts whose order means something.
    pub fn list<P: KeyPart>(&mut self, parts: impl IntoIterator<Item = P>) {
        self.begin();
        self.out.push('(');
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            part.write(&mut PartWriter::new(self.out));
        }
        self.out.push(')');
    }

    /// Writes parts whose order means nothing: sorted by their text, without duplicates.
    pub fn set<P: KeyPart>(&mut self, parts: impl IntoIterator<Item = P>) {
        self.begin();
        let mut texts: Vec<String> = parts
            .into_iter()
            .map(|part| {
                let mut text = String::new();
                part.write(&mut PartWriter::new(&mut text));
                text
            })
            .collect();
        texts.sort_unstable();
        texts.dedup();
        let _ = write!(self.out, "<{}>", texts.join(","));
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.written, true) {
            self.out.push(',');
        }
    }

    fn number(&mut self, number: impl itoa::Integer) {
        self.begin();
        self.out.push('#');
        self.out.push_str(itoa::Buffer::new().format(number));
    }
}

/// Writes text so that only `A-Z a-z 0-9 - _ .` stand for themselves.
#[inline]
pub(super) fn escape_text(text: &str, out: &mut String) {
    let (plain, rest) = text.split_at(plain(text.as_bytes()));
    out.push_str(plain);
    if !rest.is_empty() {
        escape_rest(rest.as_bytes(), out);
    }
}

/// The same for bytes.
pub(super) fn escape(bytes: &[u8], out: &mut String) {
    let (plain, rest) = bytes.split_at(plain(bytes));
    // ASCII throughout.
    out.push_str(std::str::from_utf8(plain).unwrap_or_default());
    if !rest.is_empty() {
        escape_rest(rest, out);
    }
}

/// How many bytes at the beginning stand for themselves. They are ASCII, so that a character ends with them.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| ESCAPED[usize::from(*byte)][3] != 1).unwrap_or(bytes.len())
}

fn escape_rest(rest: &[u8], out: &mut String) {
    out.reserve(rest.len() + rest.len() / 2);
    for chunk in rest.chunks(CHUNK) {
        // What a byte becomes is written without asking how long it is: text with much to escape would make a processor
        // guess wrong again and again.
        let (mut written, mut end) = ([0; 3 * CHUNK + 1], 0);
        for byte in chunk {
            let escaped = ESCAPED[usize::from(*byte)];
            // As one assignment: copying a slice is a call where nothing is inlined across units.
            if let Some(place) = written[end..].first_chunk_mut() {
                *place = escaped;
            }
            end += usize::from(escaped[3]);
        }
        out.push_str(std::str::from_utf8(&written[..end]).unwrap_or_default());
    }
}

/// How many bytes are escaped at a time.
const CHUNK: usize = 64;

/// What each byte becomes, one character or three, and how many these are.
const ESCAPED: [[u8; 4]; 256] = {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut escaped = [[0; 4]; 256];
    let mut byte = 0_u8;
    loop {
        let stands_for_itself = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        escaped[byte as usize] = if stands_for_itself {
            [byte, 0, 0, 1]
        } else {
            [b'%', HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize], 3]
        };
        if byte == u8::MAX {
            break escaped;
        }
        byte += 1;
    }
};

impl KeyPart for str {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.text(self);
    }
}

impl KeyPart for String {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.text(self);
    }
}

impl KeyPart for char {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.text(self.encode_utf8(&mut [0; 4]));
    }
}

impl KeyPart for bool {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.bool(*self);
    }
}

impl KeyPart for [u8] {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl KeyPart for Vec<u8> {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl KeyPart for bytes::Bytes {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl KeyPart for f64 {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.float(*self);
    }
}

impl KeyPart for f32 {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.float(f64::from(*self));
    }
}

impl KeyPart for u128 {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.unsigned(*self);
    }
}

impl KeyPart for usize {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.unsigned(*self as u128);
    }
}

impl KeyPart for isize {
    fn write(&self, out: &mut PartWriter<'_>) {
        out.integer(*self as i128);
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl KeyPart for $integer {
            fn write(&self, out: &mut PartWriter<'_>) {
                out.integer(i128::from(*self));
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

impl<P: KeyPart> KeyPart for Option<P> {
    fn write(&self, out: &mut PartWriter<'_>) {
        match self {
            Some(part) => part.write(out),
            None => out.none(),
        }
    }
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    fn write(&self, out: &mut PartWriter<'_>) {
        (**self).write(out);
    }
}

impl<P: KeyPart + ?Sized> KeyPart for Arc<P> {
    fn write(&self, out: &mut PartWriter<'_>) {
        (**self).write(out);
    }
}

impl<P: KeyPart + ?Sized> KeyPart for Box<P> {
    fn write(&self, out: &mut PartWriter<'_>) {
        (**self).write(out);
    }
}

impl<P: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, P> {
    fn write(&self, out: &mut PartWriter<'_>) {
        (**self).write(out);
    }
}
