use serde::{Deserialize, Serialize};

use super::*;

/// A format of somebody else's: goes by way of erased serde.
#[derive(Debug)]
struct Foreign<F>(F);

impl<F: Format> Format for Foreign<F> {
    fn id(&self) -> u8 {
        200
    }
    fn name(&self) -> &'static str {
        "foreign"
    }
    fn media_type(&self) -> &'static str {
        "application/octet-stream"
    }
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        self.0.encode(value)
    }
    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        self.0.decode(bytes, visit)
    }
}

fn all() -> [(Box<dyn Format>, Box<dyn Format>); 3] {
    [
        (Box::new(Json), Box::new(Foreign(Json))),
        (Box::new(MessagePack), Box::new(Foreign(MessagePack))),
        (Box::new(Postcard), Box::new(Foreign(Postcard))),
    ]
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    found: u64,
    extremes: (i64, u64),
    names: Vec<Option<String>>,
    unit: (),
}

fn answer() -> Answer {
    let names = vec![Some("ü \0 \u{1F980}".into()), None, Some(String::new())];
    Answer { found: 3, extremes: (i64::MIN, u64::MAX), names, unit: () }
}

#[test]
fn structures_come_back_equal_and_nothing_may_follow() {
    for (direct, foreign) in &all() {
        let mut bytes = encode(&**direct, &answer()).unwrap();
        assert_eq!(encode(&**foreign, &answer()).unwrap(), bytes);
        for format in [&**direct, &**foreign] {
            assert_eq!(decode::<Answer>(format, &bytes).unwrap(), answer(), "{format:?}");
        }
        bytes.push(b'1');
        for format in [&**direct, &**foreign] {
            decode::<Answer>(format, &bytes).expect_err(format.name());
            decode::<Answer>(format, &bytes[..bytes.len() / 2]).expect_err(format.name());
        }
    }
}

#[test]
fn old_bytes_read_into_a_struct_with_a_new_optional_field() {
    #[derive(Serialize)]
    struct Old {
        a: u8,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct New {
        #[serde(default)]
        b: Option<String>,
        a: u8,
    }
    for format in [&Json as &dyn Format, &MessagePack] {
        let bytes = format.encode(&Old { a: 1 }).unwrap();
        assert_eq!(decode::<New>(format, &bytes).unwrap(), New { b: None, a: 1 });
    }
}

#[test]
fn raw_takes_bytes_and_text_and_nothing_else() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(Raw.encode(&all).unwrap(), all);
    assert_eq!(decode::<Vec<u8>>(&Raw, &all).unwrap(), all);
    let bytes = bytes::Bytes::from(all.clone());
    assert_eq!(Raw.encode(&bytes).unwrap(), all);
    assert_eq!(decode::<bytes::Bytes>(&Raw, &all).unwrap(), bytes);
    assert_eq!(Raw.encode(&"text").unwrap(), b"text");
    assert_eq!(decode::<String>(&Raw, b"text").unwrap(), "text");
    decode::<String>(&Raw, b"\xff").expect_err("not UTF-8");
    assert_eq!(Raw.encode(&answer()).unwrap_err().kind(), ErrorKind::Encode);
    assert_eq!(Raw.encode(&7_u64).unwrap_err().kind(), ErrorKind::Encode);
    decode::<Answer>(&Raw, b"x").expect_err("a struct");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct List(Option<Box<List>>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Linked {
    next: Option<Box<Linked>>,
}

#[derive(Debug, Deserialize)]
struct Lists(#[expect(dead_code, reason = "only ever read from bytes")] Vec<Lists>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Boxed(Box<Tree>),
    Branches(Vec<Tree>),
    Named { tree: Box<Tree> },
}

/// On the stack of a thread like the runtime's, in which a hostile body must not end.
#[test]
fn nesting_has_an_end() {
    let deep = |byte: u8| vec![byte; 1_000_000];
    for format in [&Postcard as &dyn Format, &Foreign(Postcard)] {
        let why = decode::<List>(format, &deep(1)).unwrap_err();
        assert!(why.to_string().contains("nested deeper than 128"), "{why}");
        for variant in [1, 3] {
            let why = decode::<Tree>(format, &deep(variant)).unwrap_err();
            assert!(why.to_string().contains("nested deeper than 128"), "{why}");
        }
    }
    for format in [&MessagePack as &dyn Format, &Foreign(MessagePack)] {
        // An array of one, and so on; what is ignored nests as well.
        let why = decode::<Tree>(format, &deep(0x91)).unwrap_err();
        assert!(!why.to_string().is_empty());
        let why = decode::<serde_json::Value>(format, &deep(0x91)).unwrap_err();
        assert!(why.to_string().contains("nested deeper than 128"), "{why}");
        decode::<serde::de::IgnoredAny>(format, &deep(0x91)).unwrap_err();
    }
    for format in [&Json as &dyn Format, &Foreign(Json)] {
        decode::<serde_json::Value>(format, &deep(b'[')).unwrap_err();
        decode::<serde::de::IgnoredAny>(format, &deep(b'[')).unwrap_err();
    }
}

#[test]
fn what_nests_a_hundred_deep_comes_back() {
    let mut tree = Tree::Leaf;
    for _ in 0..30 {
        tree = Tree::Branches(vec![Tree::Leaf, tree]);
    }
    let mut linked = Linked { next: None };
    for _ in 0..100 {
        linked = Linked { next: Some(Box::new(linked)) };
    }
    let mut value = serde_json::Value::Null;
    for _ in 0..100 {
        value = serde_json::json!([value]);
    }
    for (direct, foreign) in &all() {
        for format in [&**direct, &**foreign] {
            assert_eq!(decode::<Tree>(format, &encode(format, &tree).unwrap()).unwrap(), tree);
            assert_eq!(decode::<Linked>(format, &encode(format, &linked).unwrap()).unwrap(), linked);
            // Postcard does not say what a value is, which this type would need.
            if direct.name() != "postcard" {
                let bytes = encode(format, &value).unwrap();
                assert_eq!(decode::<serde_json::Value>(format, &bytes).unwrap(), value);
            }
        }
    }
}

#[test]
fn a_few_bytes_are_not_many_values() {
    // 268 million of them, in four bytes.
    let bytes = [0xff, 0xff, 0xff, 0x7f];
    for format in [&Postcard as &dyn Format, &Foreign(Postcard)] {
        let why = decode::<Vec<()>>(format, &bytes).unwrap_err();
        assert!(why.to_string().contains("more elements than bytes"), "{why}");
        let thousand = vec![(); 1000];
        assert_eq!(decode::<Vec<()>>(format, &encode(format, &thousand).unwrap()).unwrap(), thousand);
    }
}

#[test]
fn many_empty_values_that_have_bytes_come_back() {
    let lists = vec![Vec::<u8>::new(); 1_200_000];
    for format in [&MessagePack as &dyn Format, &Postcard] {
        assert_eq!(decode::<Vec<Vec<u8>>>(format, &encode(format, &lists).unwrap()).unwrap(), lists);
    }
}

#[test]
fn no_more_is_reserved_than_there_are_bytes() {
    // Each says that it has 65 536 elements, which are said to have as many, and so on.
    let bytes: Vec<u8> = [0xdd, 0, 1, 0, 0].repeat(100);
    let budget = Budget::of(&bytes);
    let mut rest = bytes.as_slice();
    let mut msgpack = rmp_serde::Deserializer::new(&mut rest);
    Lists::deserialize(Bounded::new(&mut msgpack, &budget)).unwrap_err();
    assert_eq!(budget.left_to_reserve(), 0);
}

#[test]
fn raw_bytes_are_shared_and_everything_else_is_read() {
    let bytes = Bytes::from(vec![b'x'; 100]);
    let shared: Bytes = decode_shared(&Raw, &bytes).unwrap();
    assert_eq!((shared.as_ptr(), shared.len()), (bytes.as_ptr(), 100));
    assert_eq!(decode_shared::<String>(&Raw, &bytes).unwrap(), "x".repeat(100));
    // Bytes in a format that says how long they are.
    let encoded = Bytes::from(encode(&MessagePack, &bytes).unwrap());
    assert_eq!(decode_shared::<Bytes>(&MessagePack, &encoded).unwrap(), bytes);
}
