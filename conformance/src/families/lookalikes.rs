//! Values that look like what a store or a codec writes: compressed streams, envelopes, records of versions, counters. They
//! are values.

use bytes::Bytes;
use larder_core::{
    Entry, Key, Ttl,
    backend::Condition,
    entry::{Body, Kind, LEASE, Lifetime, Meta},
    envelope::{self, Envelope},
    key::StoreKey,
};

use super::ways::{Alone, How, Many, is_there, plain, when};
use crate::{
    case::matrix,
    context::Context,
    failure::{Failure, Verdict, same},
    probe::Direct,
    value::Value,
};

matrix! { "lookalikes":
    the_store_keeps_what_looks_encoded = "A store gives back bytes that look like a compressed stream, an envelope or a record as they are." => kept_by_the_store(Alone);
    the_store_keeps_what_looks_encoded_in_bulk = "A store gives back bytes that look encoded as they are from a bulk write." => kept_by_the_store(Many);
    a_cache_keeps_what_looks_encoded = "A cache gives back bytes that look encoded as they are, set and read alone." => kept_by_a_cache(Alone);
    a_cache_keeps_what_looks_encoded_in_bulk = "A cache gives back bytes that look encoded as they are, set and read in bulk." => kept_by_a_cache(Many);
    a_load_keeps_what_looks_encoded = "What was loaded comes back as it was, also if it looks encoded." => kept_by_a_load();
    an_add_keeps_what_looks_encoded = "What was added comes back as it was, also if it looks encoded." => kept_by_an_add();
    a_value_of_an_odd_format_is_a_value = "An entry of a format beside that of leases is a value." => a_format_beside_leases();
    an_entry_without_bytes_is_an_entry = "An entry without a single byte is an entry: read, touched, refused to an add, removed." => no_bytes();
    #[needs(Counting)] text_that_is_a_number_is_no_counter = "A value that is a number as text is no counter, before and after counting." => numbers_as_text();
}

/// Bytes that look like something else.
async fn odd(store: &Direct, t: &Context) -> Result<Vec<Vec<u8>>, Failure> {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0".to_vec();
    let zstd = b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello".to_vec();
    // The envelope of this very key, and one that is cut.
    let key = Key::new("k");
    let entry = plain(t, "inner", Ttl::Never);
    let place = StoreKey::new(store.namespace(), &key);
    let inner = Envelope::write(&place, &entry).await?.to_bytes().to_vec();
    let cut = inner[..inner.len() / 2].to_vec();
    let texts: [&[u8]; 10] =
        [b"", b"\0", b"5", b"-1", b"null", b"\xc0", b"\r\n", b"END\r\n", b"$-1\r\n", b"VA 1\r\nx\r\nHD\r\n"];
    let mut all = vec![gzip, zstd, inner, cut, envelope::MAGIC.to_vec(), vec![0xff; 300], vec![0; 300]];
    all.extend(texts.iter().map(|text| text.to_vec()));
    Ok(all)
}

fn entry_of(t: &Context, bytes: Vec<u8>) -> Entry {
    t.direct().entry(bytes, Ttl::Never)
}

async fn kept_by_the_store(t: &Context, how: How) -> Verdict {
    let store = t.direct();
    for bytes in odd(&store, t).await? {
        let entry = entry_of(t, bytes);
        same(how.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
    }
    Ok(())
}

async fn kept_by_a_cache(t: &Context, how: How) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    let values: Vec<Value> = odd(&store, t).await?.into_iter().map(Value::Bytes).collect();
    let keys: Vec<Key> = (0_u64..).zip(&values).map(|(number, _)| Key::new("k").part(number)).collect();
    if how == Many {
        let items = keys.iter().cloned().zip(values.iter().cloned()).collect();
        cache.set_many(items).await?.into_iter().collect::<Result<Vec<()>, _>>()?;
        let seen: Result<Vec<_>, _> = cache.get_many(&keys).await?.into_iter().collect();
        return same(seen?, values.into_iter().map(Some).collect::<Vec<_>>());
    }
    for (key, value) in keys.into_iter().zip(values) {
        cache.set(key.clone(), value.clone()).await?;
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}

async fn kept_by_a_load(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    for (number, bytes) in (0_u64..).zip(odd(&store, t).await?) {
        let (key, value) = (Key::new("k").part(number), Value::Bytes(bytes));
        let made = value.clone();
        let load = || async { Ok::<_, std::convert::Infallible>(made) };
        same(cache.get_or_load(key.clone(), load).await?.0, value.clone())?;
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}

async fn kept_by_an_add(t: &Context) -> Verdict {
    let (cache, store) = (t.cache(), t.direct());
    for (number, bytes) in (0_u64..).zip(odd(&store, t).await?) {
        let (key, value) = (Key::new("k").part(number), Value::Bytes(bytes));
        same(cache.add(key.clone(), value.clone()).await?, true)?;
        same(cache.add(key.clone(), "second").await?, false)?;
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}

async fn a_format_beside_leases(t: &Context) -> Verdict {
    let store = t.direct();
    let now = t.clock().now();
    let meta = Meta::new(now, Lifetime::until(Ttl::Never.expires(now)));
    let entry = Entry::from_body(Body::raw(Bytes::from_static(b"v"), LEASE - 1), meta);
    for how in [Alone, Many] {
        same(how.write(&store, "k", &entry, when(Condition::Always)).await?, true)?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
        same(how.read(&store, "k").await?.map(|entry| entry.kind()), Some(Kind::Value))?;
    }
    Ok(())
}

async fn no_bytes(t: &Context) -> Verdict {
    let store = t.direct();
    for how in [Alone, Many] {
        let entry = plain(t, "", Ttl::Never);
        same(how.write(&store, "k", &entry, when(Condition::Absent)).await?, true)?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
        same(how.write(&store, "k", &plain(t, "second", Ttl::Never), when(Condition::Absent)).await?, false)?;
        same(store.touch("k", Ttl::Never).await?, true)?;
        is_there(&store, "k", &entry, entry.meta().lifetime).await?;
        same(how.delete(&store, "k", Condition::Always).await?, true)?;
    }
    Ok(())
}

async fn numbers_as_text(t: &Context) -> Verdict {
    let store = t.direct();
    let options = larder_core::backend::CounterOptions::new(Ttl::Never);
    for text in ["5", "18446744073709551615", "-1", " 7"] {
        store.set("k", text, Ttl::Never).await?;
        store.set_many(&[("m", text, when(Condition::Always)), ("n", text, when(Condition::Always))]).await;
        for key in ["k", "m", "n"] {
            same(store.count(key, 1, options).await?, None)?;
        }
        same(
            store.get_many(&["k", "m", "n"]).await?,
            [Some(text.into()), Some(text.into()), Some(text.into())],
        )?;
    }
    same(store.count("k", 1, options.with_initial(Some(3))).await?, Some(3))?;
    same(store.get("k").await?, Some(" 7".into()))
}
