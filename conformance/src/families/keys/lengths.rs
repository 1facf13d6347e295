//! Keys of every length.

use larder_core::{
    ErrorKind, Key,
    cache::Cache,
    key::{MAX_KEY, MAX_NAMESPACE, MAX_STORE_KEY},
};

use super::{all_differ, every_operation_works};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    value::Value,
};

family! { "keys" heavy:
    keys_of_every_length_work = "Keys of 1 to 65 536 bytes work on every operation, around every store's limits.";
    a_megabyte_of_text_works = "A megabyte of text is a key like any other.";
    long_keys_that_differ_late_are_two = "Long keys that differ in one character, wherever it stands, are different keys.";
    length_is_counted_after_escaping = "Keys whose escaped text is long are shortened without meeting each other.";
    the_longest_text_works = "The longest text that reaches a store, namespace included, works on every operation.";
    a_namespace_without_room_is_refused = "A namespace so long that no room is left for keys is refused when the cache is made.";
}

async fn keys_of_every_length_work(t: &Context) -> Verdict {
    let cache = t.cache();
    let lengths = [1, 2, 64, 126, 127, 128, 129, 199, 200, 201, 249, 250, 251, 255, 256, 1024, 65_536];
    let keys: Vec<Key> = lengths.iter().map(|length| Key::new("k".repeat(*length))).collect();
    for key in &keys {
        every_operation_works(&cache, key).await?;
    }
    all_differ(&cache, &keys).await
}

async fn a_megabyte_of_text_works(t: &Context) -> Verdict {
    let megabyte = "\u{e9} ".repeat(350_000);
    every_operation_works(&t.cache(), &Key::new(megabyte)).await
}

async fn long_keys_that_differ_late_are_two(t: &Context) -> Verdict {
    let different_at = |at: usize| {
        let mut text = vec![b'x'; 3000];
        text[at] = b'y';
        Key::new("long").part(String::from_utf8_lossy(&text).into_owned())
    };
    let places =
        [0, 1, 50, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 120, 121, 122, 123, 250, 1500, 2998, 2999];
    let mut keys: Vec<Key> = places.into_iter().map(different_at).collect();
    keys.push(Key::new("long").part("x".repeat(3000)));
    keys.push(Key::new("long").part("x".repeat(3001)));
    all_differ(&t.cache(), &keys).await
}

async fn length_is_counted_after_escaping(t: &Context) -> Verdict {
    let cache = t.cache();
    // 42 and 43 characters of three bytes each, once escaped: 126 and 129.
    let keys =
        [" ".repeat(42), " ".repeat(43), "\u{1F980}".repeat(10), "\u{1F980}".repeat(11), "%20".repeat(42)];
    let keys = keys.map(Key::from);
    for key in &keys {
        same(key.text().len() <= MAX_KEY, true)?;
        every_operation_works(&cache, key).await?;
    }
    all_differ(&cache, &keys).await
}

async fn the_longest_text_works(t: &Context) -> Verdict {
    let name = t.namespace_of("");
    let filled = "n".repeat((MAX_NAMESPACE - 2).saturating_sub(name.len()));
    let cache = t.cache_in(&filled);
    let longest = Key::new("k".repeat(MAX_KEY));
    let longer = Key::new("k".repeat(MAX_KEY + 1));
    same(cache.cache().namespace().text().len() + 1 + longest.text().len(), MAX_STORE_KEY - 2)?;
    every_operation_works(&cache, &longest).await?;
    every_operation_works(&cache, &longer).await?;
    all_differ(&cache, &[longest, longer]).await?;
    cache.set_tagged("k", "v", &["t".repeat(255).as_str()]).await?;
    cache.invalidate_tag(&"t".repeat(255)).await?;
    same(cache.get("k").await?, None)
}

async fn a_namespace_without_room_is_refused(t: &Context) -> Verdict {
    for namespace in [&"n".repeat(MAX_NAMESPACE - 1), "", "/", "a//b", "a/", &"\u{e9}".repeat(12)] {
        let built: larder_core::Result<Cache<Value>> =
            Cache::builder(t.backend().clone()).namespace(namespace).build();
        t.note(&format!("Cache::builder(backend).namespace({namespace:?}).build();"), built.is_ok());
        fails(built, ErrorKind::Config)?;
    }
    Ok(())
}
