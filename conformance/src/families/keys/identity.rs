//! Which keys are the same and which are not.

use larder_core::{ErrorKind, Key, key::Digest};

use super::all_differ;
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    value::Value,
};

family! { "keys":
    equal_parts_are_one_key = "Two keys of equal parts are one key, however they were made.";
    case_matters = "Keys that differ in case are two.";
    kinds_of_parts_matter = "Parts that print alike but are of different kinds are different keys.";
    borders_of_parts_matter = "Two different lists of parts are never one key, wherever the border stands.";
    order_matters_in_lists_alone = "Lists of another order are another key, sets of another order are the same.";
    names_of_parts_matter = "Optional criteria under different names are different keys.";
    normal_forms_are_two_keys = "NFC and NFD forms of one text are different keys.";
    bytes_and_text_are_two_keys = "A part of bytes that are no UTF-8 works, and is not the text that looks like it.";
    the_callers_buffer_may_change = "Changing the buffer that a key was made from does not change the key.";
    an_empty_key_is_refused_everywhere = "An empty key, and only that, is refused by every operation.";
    an_empty_part_is_no_empty_key = "A key of several parts may have empty ones.";
    digests_are_two_keys = "A long key under another digest is another key, and both work.";
    #[needs(Sharing)] another_process_renders_alike = "A key is the same in every process.";
}

async fn equal_parts_are_one_key(t: &Context) -> Verdict {
    let cache = t.cache();
    let made = Key::new(String::from("user")).part(7_u8).named("region", "us").list(vec!["a", "b"]);
    let again = Key::new("user").part(7_i64).named("region", String::from("us")).list(["a", "b"]);
    cache.set(made, "v").await?;
    same(cache.get(again).await?, Some("v".into()))
}

async fn case_matters(t: &Context) -> Verdict {
    all_differ(&t.cache(), &["key", "Key", "KEY", "kEy"].map(Key::from)).await
}

async fn kinds_of_parts_matter(t: &Context) -> Verdict {
    let key = || Key::new("k");
    let keys = [
        key().part("10"),
        key().part(10),
        key().part(10.0),
        key().part([b'1', b'0'].as_slice()),
        key().part("true"),
        key().part(true),
        key().part(""),
        key().part(None::<u8>),
        key().part("~"),
        key().part(0),
        key().part(false),
        key().part(-0.0),
        key().part(0.0),
        key(),
    ];
    all_differ(&t.cache(), &keys).await
}

async fn borders_of_parts_matter(t: &Context) -> Verdict {
    let keys = [
        Key::new("a-b").part("c"),
        Key::new("a").part("b-c"),
        Key::new("a").part("b").part("c"),
        Key::new("a:b").part("c"),
        Key::new("a").part("b:c"),
        Key::new("a:b:c"),
        Key::new("a").list(["b", "c"]),
        Key::new("a").list(["b,c"]),
        Key::new("a").set(["b", "c"]),
        Key::new("a").list(["b"]).list(["c"]),
        Key::new("a").part("(b,c)"),
        Key::new("a").part("").part("b"),
        Key::new("a").part("b").part(""),
    ];
    all_differ(&t.cache(), &keys).await
}

async fn order_matters_in_lists_alone(t: &Context) -> Verdict {
    let cache = t.cache();
    all_differ(&cache, &[Key::new("k").list([9, 4]), Key::new("k").list([4, 9]), Key::new("k").set([9, 4])])
        .await?;
    cache.set(Key::new("k").set([9, 4, 9]), "v").await?;
    same(cache.get(Key::new("k").set([4, 9])).await?, Some("v".into()))
}

async fn names_of_parts_matter(t: &Context) -> Verdict {
    let keys = [
        Key::new("popular").named("region", "us"),
        Key::new("popular").named("language", "us"),
        Key::new("popular").part("us"),
        Key::new("popular").part("region=us"),
        Key::new("popular").flag("gaia", true),
        Key::new("popular").flag("gaia", false),
        Key::new("popular").named("a", "b=c"),
        Key::new("popular").named("a=b", "c"),
    ];
    all_differ(&t.cache(), &keys).await
}

async fn normal_forms_are_two_keys(t: &Context) -> Verdict {
    all_differ(&t.cache(), &["caf\u{e9}", "cafe\u{301}", "cafe"].map(Key::from)).await
}

async fn bytes_and_text_are_two_keys(t: &Context) -> Verdict {
    let keys = [
        Key::new([0xff_u8, 0xfe].as_slice()),
        Key::new("\u{ff}\u{fe}"),
        Key::new("\u{fffd}\u{fffd}"),
        Key::new([0xff_u8].as_slice()).part([0xfe_u8].as_slice()),
        Key::new("%FF%FE"),
        Key::new("$%FF%FE"),
    ];
    all_differ(&t.cache(), &keys).await
}

async fn the_callers_buffer_may_change(t: &Context) -> Verdict {
    let cache = t.cache();
    let mut buffer = vec![b'a'; 4];
    cache.set(Key::new(buffer.as_slice()), "v").await?;
    buffer.fill(b'b');
    same(cache.get(Key::new(buffer.as_slice())).await?, None)?;
    same(cache.get(Key::new([b'a'; 4].as_slice())).await?, Some("v".into()))
}

async fn an_empty_key_is_refused_everywhere(t: &Context) -> Verdict {
    let cache = t.cache();
    let empty = Key::new("");
    let life = t.short();
    fails(cache.get("").await, ErrorKind::InvalidKey)?;
    fails(cache.look_up("").await, ErrorKind::InvalidKey)?;
    fails(cache.contains("").await, ErrorKind::InvalidKey)?;
    fails(cache.ttl("").await, ErrorKind::InvalidKey)?;
    fails(cache.cache().get_encoded(&empty).await, ErrorKind::InvalidKey)?;
    fails(cache.set("", "v").await, ErrorKind::InvalidKey)?;
    fails(cache.set_for("", "v", std::time::Duration::ZERO).await, ErrorKind::InvalidKey)?;
    fails(cache.add("", "v").await, ErrorKind::InvalidKey)?;
    fails(cache.touch("", life).await, ErrorKind::InvalidKey)?;
    fails(cache.touch("", std::time::Duration::ZERO).await, ErrorKind::InvalidKey)?;
    fails(cache.delete("").await, ErrorKind::InvalidKey)?;
    fails(cache.get_many(&[Key::new("a"), empty.clone()]).await, ErrorKind::InvalidKey)?;
    fails(cache.set_many(vec![(empty.clone(), "v".into())]).await, ErrorKind::InvalidKey)?;
    fails(cache.delete_many(&[empty]).await, ErrorKind::InvalidKey)?;
    fails(
        cache.get_or_load("", || async { Ok::<_, std::fmt::Error>(Value::Null) }).await,
        ErrorKind::InvalidKey,
    )?;
    cache.set(" ", "v").await?;
    same(cache.get(" ").await?, Some("v".into()))
}

async fn an_empty_part_is_no_empty_key(t: &Context) -> Verdict {
    let keys =
        [Key::new("").part(""), Key::new("").part("").part(""), Key::new("").part("a"), Key::new(None::<u8>)];
    all_differ(&t.cache(), &keys).await
}

async fn digests_are_two_keys(t: &Context) -> Verdict {
    let long = Key::new("search").part("x".repeat(500));
    let other = Key::new("search").part("x".repeat(499) + "y");
    let keys = [long.clone(), long.digest(Digest::Sha1), other.clone(), other.digest(Digest::Sha1)];
    all_differ(&t.cache(), &keys).await
}

async fn another_process_renders_alike(t: &Context) -> Verdict {
    let (cache, peer) = (t.cache(), t.peer(|builder| builder));
    let keys = || {
        [
            Key::new("caf\u{e9} \r\n").part(-7).part(1.5).part(None::<u8>),
            Key::new("long").part("x".repeat(5000)),
            Key::new("set").set(["b", "a"]).flag("on", true),
            Key::new([0_u8, 255].as_slice()),
        ]
    };
    for key in keys() {
        cache.set(key, "v").await?;
    }
    for key in keys() {
        same(peer.get(key).await?, Some("v".into()))?;
    }
    Ok(())
}
