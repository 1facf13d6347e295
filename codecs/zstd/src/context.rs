//! The working memory of zstd, one for each thread, used again for the next value.
//!
//! Making a context for a value of 1 KiB takes longer than compressing it, and five times as long as
//! decompressing it.

use std::cell::Cell;

use zstd::zstd_safe::{CCtx, DCtx};

/// A context that has grown beyond this, in bytes, is given back: one large value at a high level must not
/// take its memory for ever, on every thread that met one.
const KEEP: usize = 8 << 20;

thread_local! {
    static COMPRESS: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECOMPRESS: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Runs this with a context; `None` if there is no memory for one.
pub(crate) fn compressing<T>(work: impl FnOnce(&mut CCtx<'static>) -> T) -> Option<T> {
    // Taken and not borrowed: whatever happens in between, the next value finds one or none.
    let mut context = COMPRESS.try_with(Cell::take).ok().flatten().or_else(CCtx::try_create)?;
    let done = work(&mut context);
    if context.sizeof() <= KEEP {
        // Not kept on a thread that is about to end.
        let _ = COMPRESS.try_with(|kept| kept.set(Some(context)));
    }
    Some(done)
}

/// Runs this with a context; `None` if there is no memory for one.
pub(crate) fn decompressing<T>(work: impl FnOnce(&mut DCtx<'static>) -> T) -> Option<T> {
    let mut context = DECOMPRESS.try_with(Cell::take).ok().flatten().or_else(DCtx::try_create)?;
    let done = work(&mut context);
    // It does not grow: values are decompressed in one piece, into their own memory.
    let _ = DECOMPRESS.try_with(|kept| kept.set(Some(context)));
    Some(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decompressing_takes_the_same_for_every_value() {
        let decompress = |len: usize| {
            let body = zstd::bulk::compress(&vec![1; len], 3).unwrap();
            decompressing(|context| {
                let mut raw = Vec::with_capacity(len);
                context.decompress(&mut raw, &body).unwrap();
                context.sizeof()
            })
            .unwrap()
        };
        let small = decompress(10);
        assert!(small < 200 << 10, "{small}");
        assert_eq!(decompress(64 << 20), small);
    }

    #[test]
    fn a_context_is_used_again_unless_it_has_grown() {
        let compress = |level: i32, len: usize| {
            compressing(|context| {
                let raw = vec![1_u8; len];
                let mut body = Vec::with_capacity(zstd::zstd_safe::compress_bound(len));
                context.compress(&mut body, &raw, level).unwrap();
                context.sizeof()
            })
            .unwrap()
        };
        let held = || {
            let kept = COMPRESS.take();
            let size = kept.as_ref().map(CCtx::sizeof);
            COMPRESS.set(kept);
            size
        };
        assert_eq!(held(), None);
        let small = compress(3, 1000);
        assert_eq!(held(), Some(small));
        // What the documentation says of the default level.
        assert!(compress(3, 256 << 10) < 2 << 20);
        assert!(compress(3, 64 << 20) < KEEP);
        assert!(held().is_some());
        assert!(compress(19, 32 << 20) > KEEP);
        assert_eq!(held(), None);
    }
}
