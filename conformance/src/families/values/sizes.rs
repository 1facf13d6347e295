//! Values of every size.

use std::fmt::Write as _;

use larder_core::{ErrorKind, Key};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, holds, same},
    task,
    value::Value,
};

family! { "values" heavy:
    #[needs(LargeValues)] sizes_around_powers_of_two_come_back = "Values of every size around the powers of two up to 64 KiB come back.";
    #[needs(LargeValues)] a_large_value_comes_back = "A value of 512 KiB, larger than any buffer, comes back.";
    #[needs(LargeValues)] around_a_mebibyte_nothing_is_dropped = "A value of about 1 MiB is stored or `TooLarge`, never silently dropped, and the old value is gone.";
    #[needs(LargeValues)] a_small_value_replaces_a_large_one = "A small value replaces a large one whole, and a large one a small one.";
    #[needs(LargeValues)] large_values_of_many_keys_do_not_mix = "Large values of several keys, written side by side, each come back whole.";
}

/// Every position says where it is, so that pieces in the wrong place are seen.
fn text_of(len: usize) -> String {
    let mut text = String::with_capacity(len + 12);
    while text.len() < len {
        // Writing to a string cannot fail.
        let position = text.len();
        let _ = write!(text, "{position:x}.");
    }
    text.truncate(len);
    text
}

async fn sizes_around_powers_of_two_come_back(t: &Context) -> Verdict {
    let cache = t.cache();
    for size in (5..=16).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]) {
        cache.set("k", text_of(size)).await?;
        same(cache.get("k").await?, Some(text_of(size).into()))?;
    }
    Ok(())
}

async fn a_large_value_comes_back(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", text_of(512 * 1024)).await?;
    same(cache.get("k").await?, Some(text_of(512 * 1024).into()))
}

async fn around_a_mebibyte_nothing_is_dropped(t: &Context) -> Verdict {
    const MEBIBYTE: usize = 1024 * 1024;
    let cache = t.cache();
    for size in [MEBIBYTE - 512, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1] {
        cache.set("k", "old").await?;
        match cache.set("k", text_of(size)).await {
            Ok(()) => same(cache.get("k").await?, Some(text_of(size).into()))?,
            refused => {
                fails(refused, ErrorKind::TooLarge)?;
                same(cache.get("k").await?, None)?;
                same(cache.contains("k").await?, false)?;
            }
        }
    }
    Ok(())
}

async fn a_small_value_replaces_a_large_one(t: &Context) -> Verdict {
    let cache = t.cache();
    for size in [300_000, 3, 100_000, 0, 200_000, 1] {
        cache.set("k", text_of(size)).await?;
        same(cache.get("k").await?, Some(text_of(size).into()))?;
    }
    Ok(())
}

async fn large_values_of_many_keys_do_not_mix(t: &Context) -> Verdict {
    let cache = t.cache();
    let value = |number: usize| Value::from(format!("{number}:{}", text_of(70_000 + number * 1000)));
    let writers: Vec<_> = (0..12)
        .map(|number| {
            let (cache, value) = (cache.clone(), value(number));
            task::spawn(async move { cache.set(Key::new("k").part(number), value).await })
        })
        .collect();
    for writer in writers {
        writer.await.map_err(|panic| crate::failure::Failure::new("an answer", panic))??;
    }
    for number in 0..12 {
        let seen = cache.get(Key::new("k").part(number)).await?;
        holds(seen == Some(value(number)), &format!("the value of key {number}"), seen)?;
    }
    Ok(())
}
