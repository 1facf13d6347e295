use proptest::prelude::*;

use super::*;

#[test]
fn golden_vectors() {
    // These texts are in people's stores. A change here is a change of every key in production.
    for (key, text) in [
        (Key::new("search"), "search"),
        (Key::new("a").part("b-c"), "a:b-c"),
        (Key::new("a-b").part("c"), "a-b:c"),
        (Key::new("a:b"), "a%3Ab"),
        (Key::new("x").part(10).part("10").part(10_u128), "x:#10:10:#10"),
        (Key::new("x").part(i64::MIN).part(u64::MAX), "x:#-9223372036854775808:#18446744073709551615"),
        (Key::new("x").part(true).part(None::<u8>).part(Some("s")).part(""), "x:!t:~:s:''"),
        (Key::new("x").part(1.5).part('ü').part("*?[{}] \r\n\0"), {
            "x:^3ff8000000000000:%C3%BC:%2A%3F%5B%7B%7D%5D%20%0D%0A%00"
        }),
        (Key::new("x").part([0xff_u8, b'a'].as_slice()).part("ÿa"), "x:$%FFa:%C3%BFa"),
        (Key::new("x").set(["b", "a", "b"]).list(["b", "a"]), "x:<a,b>:(b,a)"),
        (Key::new("x").list(Vec::<u8>::new()).list([""]), "x:():('')"),
        (Key::new("popular").named("region", "us").flag("gaia", false), "popular:region=us:gaia=!f"),
    ] {
        assert_eq!(key.text(), text);
        assert_eq!(Key::parse(text), Some(key));
    }
}

#[test]
fn only_what_a_key_renders_to_is_one() {
    // Custom types may write several things, and names may be empty.
    for right in ["a,#1:b", "x:=!t", "x:n=(a,<b,c>)", "(((a)))", "x:$", "''"] {
        assert_eq!(Key::parse(right).unwrap().to_string(), right);
    }
    let deep = "(".repeat(100_000);
    let digest = Key::new("search").part("x".repeat(200)).to_string();
    for wrong in [
        "",
        ":",
        "a:",
        ":a",
        "a::b",
        "a b",
        "a*",
        "é",
        "%3a",
        "%41",
        "%",
        "%F",
        "%FF",
        "n=%FF",
        "#",
        "#01",
        "#-0",
        "#+1",
        "#340282366920938463463374607431768211456",
        "^3ff",
        "^3FF8000000000000",
        "^7ff8000000000001",
        "!x",
        "'",
        "~1",
        "(",
        "(a",
        "(a,)",
        "(,a)",
        "<b,a>",
        "<a,a>",
        "<a",
        "a=b=c",
        "a=",
        "a,",
        "a,b=c",
        "a\n",
        &deep,
        &digest,
    ] {
        assert_eq!(Key::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn golden_vectors_of_long_keys() {
    let long = Key::new("search").part("x".repeat(200));
    assert_eq!(
        long.text(),
        "search:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
         ~1158b7788a3b33b70f463f68e83516718b2bc925e25ce76e47f9cad54ccfc28a",
    );
    let long = long.digest(Digest::Sha1);
    assert_eq!(
        long.text(),
        "search:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
         ~f8b9fb92a99638962adc81b9e0270ab9c6dd6c84",
    );
    assert_eq!(long.text().len(), MAX_KEY);
}

/// Each byte at each place of a chunk, against the rule as it is written down.
#[test]
fn what_is_escaped_does_not_depend_on_its_place() {
    for byte in 0..=u8::MAX {
        for before in [0, 1, 62, 63, 64, 127, 128] {
            let bytes = [vec![b'/'; before], vec![byte, byte, b'z']].concat();
            let rule = |byte: &u8| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(*byte).to_string(),
                byte => format!("%{byte:02X}"),
            };
            let mut out = String::new();
            part::escape(&bytes, &mut out);
            assert_eq!(out, bytes.iter().map(rule).collect::<String>());
        }
    }
}

#[test]
fn at_the_limit_a_key_stays_whole() {
    assert_eq!(Key::new("x".repeat(MAX_KEY)).text(), "x".repeat(MAX_KEY));
    assert!(Key::new("x".repeat(MAX_KEY)).whole().is_none());
    assert!(Key::new("x".repeat(MAX_KEY + 1)).whole().is_some());
}

#[test]
fn adding_a_part_after_rendering_renders_anew() {
    let key = Key::new("a");
    let (text, hash) = (key.text().to_owned(), key.seeded_hash());
    let key = key.part("b");
    assert_ne!(key.text(), text);
    assert_ne!(key.seeded_hash(), hash);
}

#[test]
fn only_the_empty_key_is_empty() {
    assert!(Key::new("").is_empty());
    assert!(!Key::new("").part("").is_empty());
    assert!(!Key::new(" ").is_empty());
}

/// One part of each kind, for the property below.
#[derive(Debug, Clone, PartialEq)]
enum Any {
    Text(String),
    Integer(i64),
    Bool(bool),
    Bytes(Vec<u8>),
    None,
    List(Vec<String>),
    Named(String, String),
}

fn any_part() -> impl Strategy<Value = Any> {
    let text = || "[a-c:=,~#!$%'()<>^ é]{0,4}";
    prop_oneof![
        text().prop_map(Any::Text),
        any::<i64>().prop_map(Any::Integer),
        any::<bool>().prop_map(Any::Bool),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(Any::Bytes),
        Just(Any::None),
        proptest::collection::vec(text(), 0..3).prop_map(Any::List),
        (text(), text()).prop_map(|(name, value)| Any::Named(name, value)),
    ]
}

fn build(parts: &[Any]) -> Key {
    parts.iter().fold(Key::new("k"), |key, part| match part {
        Any::Text(text) => key.part(text),
        Any::Integer(integer) => key.part(*integer),
        Any::Bool(on) => key.part(*on),
        Any::Bytes(bytes) => key.part(bytes.as_slice()),
        Any::None => key.part(None::<u8>),
        Any::List(parts) => key.list(parts),
        Any::Named(name, value) => key.named(name, value),
    })
}

proptest! {
    #[test]
    fn different_parts_never_render_alike(
        a in proptest::collection::vec(any_part(), 0..4),
        b in proptest::collection::vec(any_part(), 0..4),
    ) {
        let (left, right) = (build(&a), build(&b));
        prop_assert_eq!(a == b, left.text() == right.text(), "{} {}", left, right);
        prop_assert_eq!(a == b, left == right);
    }

    #[test]
    fn every_key_is_portable(parts in proptest::collection::vec(any_part(), 0..40)) {
        let key = build(&parts);
        prop_assert!(key.text().len() <= MAX_KEY);
        prop_assert!(key.text().bytes().all(|byte| byte.is_ascii_graphic()), "{}", key);
    }
}

proptest! {
    #[test]
    fn every_key_is_parsed_from_its_whole_text(
        text in ".*", name in ".*", number in any::<i128>(), large in any::<u128>(), float in any::<f64>(), bytes in any::<Vec<u8>>(),
        list in proptest::collection::vec(".{0,4}", 0..5), flag in any::<bool>(),
    ) {
        let key = Key::new(text.as_str())
            .named(&name, number)
            .part(large)
            .part(float)
            .part(bytes)
            .list(&list)
            .set(&list)
            .flag("f", flag)
            .part(None::<u8>);
        prop_assert_eq!(Key::parse(&key.canonical), Some(key));
    }

    #[test]
    fn what_is_parsed_is_what_a_key_renders_to(text in "[a-c%0-9A-F#!t~^$()<>=,:'-]{0,24}") {
        if let Some(key) = Key::parse(&text) {
            prop_assert_eq!(key.text(), text);
        }
    }
}
