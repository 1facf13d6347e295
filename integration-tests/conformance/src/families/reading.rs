//! Reading: hits, misses and their reasons.

use larder_core::{Key, miss::Miss};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    value::Value,
};

family! { "reading":
    set_then_get = "A value that was set is read back equal.";
    never_written_is_a_miss = "A key that was never written is a miss: not an error, not a default value.";
    a_stored_null_is_a_hit = "A stored `None` is a hit, distinct from a miss.";
    falsy_values_are_hits = "A stored `false`, `0`, `\"\"` and `[]` are hits, distinct from a miss.";
}

async fn set_then_get(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    same(cache.get("k").await?, Some("v".into()))
}

async fn never_written_is_a_miss(t: &Context) -> Verdict {
    let cache = t.cache();
    same(cache.look_up("k").await?, Err(Miss::Absent))
}

async fn a_stored_null_is_a_hit(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", Value::Null).await?;
    same(cache.get("k").await?, Some(Value::Null))
}

async fn falsy_values_are_hits(t: &Context) -> Verdict {
    let cache = t.cache();
    for (number, value) in
        [Value::Bool(false), Value::Signed(0), "".into(), Value::List(vec![])].into_iter().enumerate()
    {
        let key = Key::new("k").part(number);
        cache.set(key.clone(), value.clone()).await?;
        same(cache.get(key).await?, Some(value))?;
    }
    Ok(())
}
