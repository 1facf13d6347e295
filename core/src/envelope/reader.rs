//! Fields of bytes that may be anything.

use super::{SCOPE_NAMESPACE, SCOPE_TAG};
use crate::entry::{Scope, Stamp};

/// `N` bytes at an offset that the caller has checked to be inside.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Takes fields off the front, and never more than there is.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.byte()?;
        std::str::from_utf8(self.take(len.into())?).ok()
    }

    #[inline]
    pub(super) fn stamp(&mut self) -> Option<Stamp> {
        let scope = match self.byte()? {
            SCOPE_NAMESPACE => Scope::Namespace(self.byte()?),
            SCOPE_TAG => Scope::Tag(self.text()?.into()),
            _ => return None,
        };
        Some(Stamp { scope, version: u64::from_le_bytes(array(self.take(8)?, 0)) })
    }
}
