//! Values of all kinds that serde knows.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{
    Deserialize, Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _, SerializeStruct as _},
};
use serde_json::{json, value::RawValue};

use super::{Row, row};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    a: Option<u8>,
    b: u8,
}

impl Skipping {
    pub(super) fn new(a: Option<u8>, b: u8) -> Self {
        Self { a, b }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SkippingPlaces(u8, #[serde(skip_serializing_if = "Option::is_none", default)] Option<u8>);

#[derive(Debug, Serialize, Deserialize)]
#[allow(dead_code, reason = "read by Debug")]
struct Hiding {
    #[serde(skip)]
    a: Option<u8>,
    b: u8,
}

#[derive(Debug, Serialize, Deserialize)]
#[allow(dead_code, reason = "read by Debug")]
struct OneSided {
    #[serde(skip_serializing, default)]
    a: u8,
    b: u8,
    c: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Defaulting {
    #[serde(default, rename = "first", alias = "one")]
    a: u8,
    #[serde(rename(serialize = "written", deserialize = "written"))]
    b: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct FlatMap {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Plain {
    Unit,
    New(u8),
    Tuple(u8, String),
    Struct { a: u8 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Struct { a: u8 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "with")]
enum Adjacent {
    Unit,
    New(u8),
    Struct { a: u8 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
    Struct { a: u8 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum UntaggedWide {
    Number(u128),
}

#[derive(Debug, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

#[derive(Debug, Serialize, Deserialize)]
struct Borrowing<'a> {
    text: Cow<'a, str>,
}

/// Says that it has two elements.
#[derive(Debug, Clone, Copy)]
pub(super) enum Miscounted {
    Seq(u8),
    Map(u8),
    Struct(u8),
}

impl Serialize for Miscounted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Seq(given) => {
                let mut seq = serializer.serialize_seq(Some(2))?;
                (0..given).try_for_each(|one| seq.serialize_element(&one))?;
                seq.end()
            }
            Self::Map(given) => {
                let mut map = serializer.serialize_map(Some(2))?;
                (0..given).try_for_each(|one| map.serialize_entry(&one, &one))?;
                map.end()
            }
            Self::Struct(given) => {
                let mut fields = serializer.serialize_struct("Miscounted", 2)?;
                ["a", "b", "c"]
                    .iter()
                    .take(given.into())
                    .try_for_each(|key| fields.serialize_field(key, &1_u8))?;
                fields.end()
            }
        }
    }
}

pub(super) fn raw_value(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

fn nested(depth: usize) -> Nested {
    (1..depth).fold(Nested(Vec::new()), |inner, _| Nested(vec![inner]))
}

fn map<K: Ord, const N: usize>(keys: [K; N]) -> BTreeMap<K, u8> {
    keys.into_iter().zip(0..).collect()
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = of_data();
    rows.extend(of_maps());
    rows.extend(of_types());
    rows.extend(of_libraries());
    rows
}

fn of_data() -> Vec<Row> {
    vec![
        row("text", vec![String::new(), "\0 \u{e9} \u{1F980} \"\\".to_owned()]),
        row(
            "bytes (`bytes::Bytes`, `serde_bytes`)",
            vec![Bytes::new(), Bytes::from_static(&[0, 127, 128, 255])],
        ),
        row("`Vec<u8>`", vec![vec![], vec![0_u8, 127, 128, 255]]),
        row(
            "`bool`, `char`, integers up to 64 bits",
            vec![(true, '\0', i64::MIN, u64::MAX), (false, '\u{1F980}', -1, 0)],
        ),
        row("`u128`, `i128`", vec![(u128::MAX, i128::MIN), (0, -1)]),
        row("floats that are numbers", vec![(f64::MIN_POSITIVE, f32::MAX), (-0.0, 0.1), (1e300, 0.1)]),
        row("`NaN` and the infinities", vec![(f64::NAN, f32::INFINITY)]),
        row("`Some(NaN)`", vec![Some(f64::NAN)]),
        row("`()` and unit structs", vec![((), Unit)]),
        row("`Option`", vec![None, Some(0_u8), Some(7)]),
        row("`Some(None)`", vec![Some(None), Some(Some(1_u8)), None]),
        row("`Some(())`", vec![Some(()), None]),
        row("`Some` of a unit struct", vec![Some(Unit), None]),
        row("tuples and arrays", vec![(1_u8, [2_u16; 3], ("a".to_owned(), 'b'))]),
        row("`Result`", vec![Ok(1_u8), Err("e".to_owned())]),
    ]
}

fn of_maps() -> Vec<Row> {
    vec![
        row("maps with text as keys", vec![map([]), map([String::new(), "a".to_owned()])]),
        row(
            "maps with integers, `char` or `bool` as keys",
            vec![(map([0_u64, u64::MAX]), map([-1_i8]), map(['a']), map([true]))],
        ),
        row("maps with `u128` as keys", vec![map([0, u128::MAX])]),
        row("maps with unit variants as keys", vec![map([Plain::Unit])]),
        row("maps with other variants as keys", vec![map([Plain::New(1), Plain::Struct { a: 2 }])]),
        row("maps with tuples as keys", vec![map([(1_u8, 2_u8)])]),
        row("maps with options as keys", vec![map([None, Some(1_u8)])]),
    ]
}

fn of_types() -> Vec<Row> {
    let plain = vec![Plain::Unit, Plain::New(1), Plain::Tuple(1, "a".into()), Plain::Struct { a: 1 }];
    let untagged = vec![Untagged::Number(1), Untagged::Text("a".into()), Untagged::Struct { a: 1 }];
    vec![
        row("enums as serde has them", plain),
        row("enums with a tag inside (`tag`)", vec![Internal::Unit, Internal::Struct { a: 1 }]),
        row(
            "enums with a tag beside (`tag`, `content`)",
            vec![Adjacent::Unit, Adjacent::New(1), Adjacent::Struct { a: 1 }],
        ),
        row("enums without a tag (`untagged`)", untagged),
        row("`u128` above 64 bits in an `untagged` enum", vec![UntaggedWide::Number(u128::MAX)]),
        row("`flatten` of a struct", vec![Flat { id: 1, rest: Rest { name: "a".into() } }]),
        row("`flatten` of a map", vec![FlatMap { id: 1, rest: map(["a".to_owned()]) }]),
        row(
            "`skip_serializing_if`, nothing left out",
            vec![Skipping::new(Some(0), 0), Skipping::new(Some(1), 7)],
        ),
        row(
            "`skip_serializing_if`, something left out",
            vec![Skipping::new(None, 0), Skipping::new(Some(0), 7)],
        ),
        row(
            "`skip_serializing_if` in a tuple struct",
            vec![SkippingPlaces(0, None), SkippingPlaces(1, Some(7))],
        ),
        row("`skip`", vec![Hiding { a: None, b: 7 }]),
        row("`skip_serializing` without `skip_deserializing`", vec![OneSided { a: 0, b: 1, c: vec![1, 2] }]),
        row("`default`, `rename`, `alias`", vec![Defaulting { a: 1, b: 2 }]),
        row("types that contain themselves, 100 deep", vec![nested(100)]),
        row("the same, 200 deep", vec![nested(200)]),
    ]
}

fn of_libraries() -> Vec<Row> {
    let values = vec![json!(null), json!({ "a": [1, -1, 1.5, "b", true, u64::MAX] })];
    let moment = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 999_999_999);
    let address: IpAddr = "2001:db8::1".parse().expect("an address");
    vec![
        row("`serde_json::Value`", values),
        row("`Some(serde_json::Value::Null)`", vec![Some(json!(null))]),
        row("`Box<serde_json::value::RawValue>`", vec![raw_value("{ \"a\": 1e3 }"), raw_value("null")]),
        row("`Some` of a `RawValue` that is `null`", vec![Some(raw_value("null"))]),
        row(
            "`Duration`, `SystemTime`, `IpAddr`, `PathBuf`",
            vec![(Duration::MAX, moment, address, PathBuf::from("/a b"))],
        ),
        row("`Cow<str>` (owned when read)", vec![Borrowing { text: Cow::Borrowed("a") }]),
    ]
}
