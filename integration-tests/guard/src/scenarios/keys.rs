//! Building keys. A key's hash is made at its first use, so it belongs to the cost.

use std::hint::black_box;

use larder_core::{Key, key::MAX_KEY};

use crate::{Outcome, rounds::Work};

struct Keys<F>(F);

impl<F: Fn() -> Key> Work for Keys<F> {
    fn run(&mut self, calls: usize) -> Outcome {
        for _ in 0..calls {
            let key = (self.0)();
            black_box(key.seeded_hash());
        }
        Ok(())
    }
}

pub(super) fn short(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    ready(
        || {
            let key = Key::new(black_box("search")).part(black_box("acme")).part(black_box(3_u32));
            key.flag("gaia", black_box(true)).part(black_box("en"))
        },
        false,
    )
}

pub(super) fn long(_: Option<&str>) -> Outcome<Box<dyn Work>> {
    let query = "a b".repeat(60);
    ready(move || Key::new(black_box("search")).part(black_box(query.as_str())), true)
}

/// The work of building it, if it is as long as the scenario says: one that ends in a digest has the greatest length.
fn ready(build: impl Fn() -> Key + 'static, is_long: bool) -> Outcome<Box<dyn Work>> {
    let key = build();
    if (key.text().len() == MAX_KEY) != is_long {
        return Err(format!("the key is not of the kind that is to be counted: {key}").into());
    }
    Ok(Box::new(Keys(build)))
}
