//! Bytes that mean something to a protocol, a parser or ourselves.

use larder_core::{Key, Ttl, envelope, envelope::Envelope, key::StoreKey};

use super::all_come_back;
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    value::Value,
};

family! { "values":
    every_byte_comes_back_at_every_position = "All 256 byte values come back, at every position modulo 8.";
    what_looks_like_a_protocol_comes_back = "Values that look like commands and replies of a server come back.";
    what_looks_like_an_envelope_comes_back = "A value that begins like an envelope comes back.";
    a_whole_envelope_comes_back = "A value that is a whole envelope, of its own key even, comes back.";
    what_looks_like_other_formats_comes_back = "Values that look like compressed or otherwise encoded data come back.";
    the_store_keeps_bytes_as_they_are = "A store keeps the bytes of an entry as they are: empty, one, all 256.";
}

async fn every_byte_comes_back_at_every_position(t: &Context) -> Verdict {
    let shifted = |by: usize| -> Vec<u8> {
        std::iter::repeat_n(b'.', by).chain((0..=255).flat_map(|byte| [byte, 255 - byte])).collect()
    };
    all_come_back(&t.cache(), (0..8).map(|by| Value::Bytes(shifted(by)))).await
}

async fn what_looks_like_a_protocol_comes_back(t: &Context) -> Verdict {
    let texts = [
        "\r\n",
        "\r\nEND\r\n",
        "END\r\nVALUE k 0 5\r\nother\r\nEND\r\n",
        "VA 5 f0\r\nother\r\nEN\r\nMN\r\n",
        "STORED\r\nNOT_FOUND\r\nSERVER_ERROR out of memory\r\n",
        "$-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n",
        "*1\r\n$8\r\nFLUSHALL\r\n",
        "'\"; --\\ %s %n ${x} `id`",
    ];
    let cache = t.cache();
    cache.set("neighbour", "untouched").await?;
    all_come_back(&cache, texts.map(Value::from)).await?;
    all_come_back(&cache, texts.map(|text| Value::Bytes(text.into()))).await?;
    same(cache.get("neighbour").await?, Some("untouched".into()))
}

async fn what_looks_like_an_envelope_comes_back(t: &Context) -> Verdict {
    let store = t.direct();
    for rest in [&b""[..], &[0; 8], &[1; 95], &[255; 300]] {
        let bytes = [&envelope::MAGIC[..], rest].concat();
        store.set("k", bytes.clone(), Ttl::Never).await?;
        same(store.get("k").await?, Some(String::from_utf8_lossy(&bytes).into_owned()))?;
        all_come_back(&t.cache(), [Value::Bytes(bytes)]).await?;
    }
    Ok(())
}

async fn a_whole_envelope_comes_back(t: &Context) -> Verdict {
    let (cache, store, key) = (t.cache(), t.direct(), Key::new("k"));
    let inner = store.entry("inside", Ttl::Never);
    let bytes = Envelope::write(&StoreKey::new(store.namespace(), &key), &inner).await?.to_bytes();
    store.set("k", bytes.clone(), Ttl::Never).await?;
    same(store.get("k").await?, Some(String::from_utf8_lossy(&bytes).into_owned()))?;
    all_come_back(&cache, [Value::Bytes(bytes.to_vec())]).await
}

async fn what_looks_like_other_formats_comes_back(t: &Context) -> Verdict {
    let beginnings: [&[u8]; 7] = [
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        b"\x28\xb5\x2f\xfd\x00\x00",
        b"\x80\x04\x95pickle",
        b"{\"a\": 1}",
        b"\xc1\xff\xdf",
        b"\xef\xbb\xbf<?xml?>",
        b"<?php __halt_compiler();",
    ];
    all_come_back(&t.cache(), beginnings.map(|bytes| Value::Bytes(bytes.to_vec()))).await
}

async fn the_store_keeps_bytes_as_they_are(t: &Context) -> Verdict {
    let store = t.direct();
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [vec![], vec![0], vec![b'\n'], all.clone(), all.repeat(40)] {
        store.set("k", bytes.clone(), Ttl::Never).await?;
        let seen = store.look_up("k").await?.entry();
        let seen = seen.as_ref().and_then(|entry| entry.encoded()).map(|body| body.bytes.to_vec());
        same(seen, Some(bytes))?;
    }
    Ok(())
}
