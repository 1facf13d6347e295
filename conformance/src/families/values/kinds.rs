//! Values of every kind.

use std::{collections::BTreeMap, fmt::Debug};

use larder_core::{
    Cache, Format, Key,
    cache::Value as CacheValue,
    format::{Json, MessagePack},
};
use serde::{Deserialize, Serialize};

use super::{super::random::Random, all_come_back, any};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    probe::Probe,
    value::Value,
};

family! { "values":
    integers_keep_their_extremes = "Integers come back equal up to the extremes of 64 bits, with their sign.";
    floats_come_back_bit_for_bit = "Floats come back bit for bit: fractions, subnormals, both zeros, infinities and NaN.";
    text_of_all_scripts_comes_back = "Unicode text comes back: every plane, combining marks, right to left, normalized or not.";
    bools_and_null_keep_their_kind = "`None`, `false` and `true` come back as what they are, not as numbers or text.";
    lists_and_maps_keep_their_shape = "Lists and maps come back with their order, names and emptiness.";
    #[needs(LargeValues)] deep_and_wide_values_come_back = "Values nested deeply and lists of many elements come back.";
    options_units_and_tuples_come_back = "A cache of an option, a unit, a tuple or a char holds them: `None` and `()` are hits.";
    structs_and_enums_come_back = "Structs and enums come back however serde writes them: untagged, tagged inside, flattened, fields left out (not in Postcard, which has no names).";
    any_value_comes_back = "Any value comes back equal.";
    another_type_is_a_miss_and_never_garbage = "Reading as another type is a counted miss with a reason, never a wrong value.";
    another_type_loads_its_own = "What cannot be read as this type is loaded and overwritten.";
}

async fn integers_keep_their_extremes(t: &Context) -> Verdict {
    let signed = [i64::MIN, i64::MIN + 1, -(1 << 53) - 1, -129, -1, 0, 1, 127, 128, (1 << 53) + 1, i64::MAX];
    let unsigned = [0, 255, 256, u64::from(u32::MAX) + 1, (1 << 53) + 1, u64::MAX - 1, u64::MAX];
    all_come_back(&t.cache(), signed.map(Value::Signed)).await?;
    all_come_back(&t.cache(), unsigned.map(Value::Unsigned)).await
}

async fn floats_come_back_bit_for_bit(t: &Context) -> Verdict {
    let cache = t.cache();
    for float in [
        0.1 + 0.2,
        -0.0,
        0.0,
        f64::MIN_POSITIVE / 4.0,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        1e23,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ] {
        cache.set("k", Value::Float(float)).await?;
        match cache.get("k").await? {
            Some(Value::Float(seen)) => same(seen.to_bits(), float.to_bits())?,
            other => return same(other, Some(Value::Float(float))),
        }
    }
    Ok(())
}

async fn text_of_all_scripts_comes_back(t: &Context) -> Verdict {
    let texts = [
        "\u{e4}\u{f6}\u{fc} \u{4e2d}\u{6587}",
        "\u{1F980}\u{1F468}\u{200d}\u{1F469}\u{200d}\u{1F467}",
        "e\u{301} is not \u{e9}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{202e}abc",
        "\u{0}\u{1}\u{7f}\u{80}\u{feff}\u{fffd}\u{10ffff}",
        "",
        " ",
    ];
    all_come_back(&t.cache(), texts.map(Value::from)).await
}

async fn bools_and_null_keep_their_kind(t: &Context) -> Verdict {
    let alike = [
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::Signed(0),
        Value::Unsigned(0),
        Value::Signed(1),
        Value::Float(0.0),
        "false".into(),
        "0".into(),
        "null".into(),
    ];
    all_come_back(&t.cache(), alike).await
}

async fn lists_and_maps_keep_their_shape(t: &Context) -> Verdict {
    let names = ["", " ", "a", "b.c", "\r\n", "\u{e9}", "e\u{301}", "\0"];
    let map: BTreeMap<String, Value> =
        names.iter().zip(0_i64..).map(|(name, number)| ((*name).to_owned(), number.into())).collect();
    let empty = [Value::List(vec![]), Value::Map(BTreeMap::new()), Value::Bytes(vec![])];
    let list = Value::List(vec![3.into(), 1.into(), 3.into(), Value::Null, Value::List(empty.to_vec())]);
    all_come_back(&t.cache(), empty).await?;
    all_come_back(&t.cache(), [list, Value::Map(map)]).await
}

async fn deep_and_wide_values_come_back(t: &Context) -> Verdict {
    // As deep as the formats read: JSON stops at 128 levels, and each of ours is two.
    let deep = (0..50).fold(Value::from("innermost"), |inner, _| Value::List(vec![inner]));
    let wide = Value::List((0..10_000).map(Value::Signed).collect());
    all_come_back(&t.cache(), [deep, wide]).await
}

async fn options_units_and_tuples_come_back(t: &Context) -> Verdict {
    comes_back(t, "none", None::<u8>).await?;
    comes_back(t, "some", Some(0_u8)).await?;
    comes_back(t, "unit", ()).await?;
    comes_back(t, "tuple", (i8::MIN, u16::MAX, -1.5_f32, false)).await?;
    comes_back(t, "char", '\u{1F980}').await?;
    comes_back(t, "options", vec![Some(String::new()), None, Some("x".to_owned())]).await
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    found: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Item {
    Number(i64),
    Named { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Event {
    Created { at: u64 },
    Gone,
}

async fn structs_and_enums_come_back(t: &Context) -> Verdict {
    structs_and_enums_in(t, MessagePack).await?;
    structs_and_enums_in(t, Json).await
}

async fn structs_and_enums_in(t: &Context, format: impl Format + Clone) -> Verdict {
    let items = vec![Item::Number(-1), Item::Named { name: "two".into() }];
    let page = Page { found: u64::MAX, next: None, more: [("extra".into(), 7)].into(), items };
    let pages = t.typed_with::<Page>(|builder| builder.format(format.clone()));
    comes_back_from(t, &pages, "page", page.clone()).await?;
    comes_back_from(t, &pages, "last page", Page { next: Some("more".into()), ..page }).await?;
    let events = t.typed_with::<Vec<Event>>(|builder| builder.format(format));
    comes_back_from(t, &events, "tagged inside", vec![Event::Created { at: 5 }, Event::Gone]).await
}

async fn any_value_comes_back(t: &Context) -> Verdict {
    let cache = t.cache();
    for (number, value) in any::values(&mut Random::new(t)).into_iter().enumerate() {
        let key = Key::new("k").part(number);
        let Err(mut failure) = value_comes_back(&cache, &key, &value).await else { continue };
        // The simplest value that fails says more than the first.
        let mut simpler = any::simpler(&value);
        while let Some(value) = simpler.pop() {
            if let Err(again) = value_comes_back(&cache, &key, &value).await {
                failure = again;
                simpler = any::simpler(&value);
            }
        }
        return Err(failure);
    }
    Ok(())
}

async fn value_comes_back(cache: &Probe, key: &Key, value: &Value) -> Verdict {
    cache.set(key.clone(), value.clone()).await?;
    same(cache.get(key.clone()).await?.as_ref(), Some(value))
}

async fn another_type_is_a_miss_and_never_garbage(t: &Context) -> Verdict {
    let (texts, numbers) = (t.typed::<String>(), t.typed::<u64>());
    let key = Key::new("k");
    texts.set(&key, "7".into()).await?;
    let seen = numbers.get(&key).await?.map(|number| *number);
    t.note("let numbers: Cache<u64> = …; numbers.get(&key)  /* it holds \"7\" */", seen);
    same(seen, None)?;
    same(numbers.stats().undecodable, 1)?;
    same(numbers.stats().misses, 1)?;
    let still = texts.get(&key).await?.map(|text| text.to_string());
    same(still, Some("7".to_owned()))
}

async fn another_type_loads_its_own(t: &Context) -> Verdict {
    let (texts, numbers) = (t.typed::<String>(), t.typed::<u64>());
    let key = Key::new("k");
    texts.set(&key, "seven".into()).await?;
    let seen = numbers.get_or_load(&key, || async { Ok::<_, std::convert::Infallible>(7) }).await?;
    same(*seen, 7)?;
    same(numbers.get(&key).await?.map(|number| *number), Some(7))?;
    same(texts.get(&key).await?.map(|text| text.to_string()), None)
}

/// Written to a cache of its type, this is read back equal.
async fn comes_back<T>(t: &Context, name: &str, value: T) -> Verdict
where
    T: CacheValue + Clone + PartialEq + Debug,
{
    comes_back_from(t, &t.typed::<T>(), name, value).await
}

async fn comes_back_from<T>(t: &Context, cache: &Cache<T>, name: &str, value: T) -> Verdict
where
    T: CacheValue + Clone + PartialEq + Debug,
{
    let key = Key::new("typed").part(name);
    cache.set(&key, value.clone()).await?;
    let seen = cache.get(&key).await?.map(|seen| T::clone(&seen));
    t.note(&format!("cache.set(&key, {value:?}).await?; cache.get(&key).await?;"), &seen);
    same(seen, Some(value))
}
