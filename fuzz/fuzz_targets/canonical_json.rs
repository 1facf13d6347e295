//! Canonical JSON: any bytes have a form that means the same and is its own form, or none; and what is taken for it is bounded.
#![no_main]

use larder_fuzz::peak_of;
use larder_http::{
    canonical::{Limits, canonical, sorted},
    search::order,
};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: larder_fuzz::Counting = larder_fuzz::Counting;

fuzz_target!(|text: &[u8]| {
    let limits = Limits::default();
    for rule in [sorted as larder_http::canonical::Order, order] {
        let (form, peak) = peak_of(|| canonical(text, limits, rule));
        assert!(peak <= (text.len() + 1) * 64 + (64 << 10), "{peak} bytes for a text of {}", text.len());
        let Ok(form) = form else { continue };
        assert_eq!(canonical(&form, limits, rule).as_ref(), Ok(&form), "not its own form");
        // Strict: another reader takes it as well, and sees the same.
        serde_json::from_slice::<serde::de::IgnoredAny>(text).expect("what has a form is JSON");
        match (
            serde_json::from_slice::<serde_json::Value>(text),
            serde_json::from_slice::<serde_json::Value>(&form),
        ) {
            (Ok(before), Ok(after)) => assert_eq!(before, after, "it means something else"),
            // A number that no f64 holds.
            (Err(_), Err(_)) => {}
            (before, after) => panic!("one of them is no JSON: {before:?} {after:?}"),
        }
    }
    // A limit is one.
    let small = Limits { max_bytes: 64, max_depth: 4 };
    if canonical(text, small, sorted).is_ok() {
        assert!(text.len() <= 64);
        assert!(canonical(text, limits, sorted).is_ok());
    }
});
