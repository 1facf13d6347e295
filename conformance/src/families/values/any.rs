//! Values of any shape, and what is simpler than a given one.

use proptest::{
    prelude::{Strategy, any, prop_oneof},
    strategy::{Just, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::super::random::Random;
use crate::value::Value;

const VALUES: usize = 48;

pub(super) fn values(random: &mut Random) -> Vec<Value> {
    let seed: [u8; 32] = std::array::from_fn(|_| u8::try_from(random.below(256)).unwrap_or(0));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let trees = (0..VALUES).filter_map(|_| strategy().new_tree(&mut runner).ok());
    trees.map(|tree| tree.current()).collect()
}

fn strategy() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Signed),
        any::<u64>().prop_map(Value::Unsigned),
        // Any but NaN, which is equal to nothing.
        any::<f64>().prop_filter("a number", |float| !float.is_nan()).prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bytes),
    ];
    plain.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            proptest::collection::btree_map(any::<String>(), inner, 0..8).prop_map(Value::Map),
        ]
    })
}

/// Parts of this value: each is smaller than it, so that looking for a simpler one ends.
pub(super) fn simpler(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => {
            let halves = halves(items).into_iter().map(Value::List);
            items.iter().cloned().chain(halves).collect()
        }
        Value::Map(items) => {
            let pairs: Vec<_> = items.clone().into_iter().collect();
            let halves = halves(&pairs).into_iter().map(|half| Value::Map(half.into_iter().collect()));
            items.values().cloned().chain(halves).collect()
        }
        Value::Text(text) => {
            let characters: Vec<char> = text.chars().collect();
            halves(&characters).into_iter().map(|half| Value::Text(half.into_iter().collect())).collect()
        }
        Value::Bytes(bytes) => halves(bytes).into_iter().map(Value::Bytes).collect(),
        _ => Vec::new(),
    }
}

fn halves<T: Clone>(whole: &[T]) -> Vec<Vec<T>> {
    if whole.len() < 2 {
        return Vec::new();
    }
    let (front, back) = whole.split_at(whole.len() / 2);
    vec![front.to_vec(), back.to_vec()]
}
