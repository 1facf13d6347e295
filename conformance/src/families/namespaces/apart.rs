//! Namespaces do not meet.

use larder_core::Key;

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
    probe::Probe,
    value::Value,
};

family! { "namespaces":
    one_key_in_two_namespaces_is_two = "The same key in two namespaces is two entries.";
    no_operation_reaches_a_neighbour = "Neither delete nor touch, add or a bulk write of one namespace reaches another's key.";
    names_that_begin_alike_are_apart = "Namespaces whose names begin alike have nothing to do with each other.";
    a_parent_and_its_child_are_apart = "A namespace and one below it have entries of their own.";
    schema_versions_are_apart = "A new schema version begins with an empty cache, and the old one keeps its entries.";
    a_schema_version_is_no_name = "A schema version is not the same as a name that looks like it.";
    odd_names_work = "Namespaces may have any characters: spaces, unicode, wildcards, separators.";
    the_border_of_namespace_and_key_matters = "Where the namespace ends and the key begins makes a difference.";
    caches_of_one_namespace_are_one = "Two caches of one namespace share entries, tags and clears.";
}

/// Each of these caches has a value of its own under one key.
async fn all_apart(caches: &[Probe], key: &Key) -> Verdict {
    for (number, cache) in caches.iter().enumerate() {
        same((number, cache.get(key.clone()).await?), (number, None))?;
        cache.set(key.clone(), i64::try_from(number).unwrap_or(-1)).await?;
    }
    for (number, cache) in caches.iter().enumerate() {
        let own = Value::Signed(i64::try_from(number).unwrap_or(-1));
        same((number, cache.get(key.clone()).await?), (number, Some(own)))?;
    }
    Ok(())
}

async fn one_key_in_two_namespaces_is_two(t: &Context) -> Verdict {
    all_apart(&[t.cache_in("users"), t.cache_in("orders")], &Key::new("k")).await
}

async fn no_operation_reaches_a_neighbour(t: &Context) -> Verdict {
    let (mine, neighbour) = (t.cache_in("mine"), t.cache_in("neighbour"));
    neighbour.set("k", "of the neighbour").await?;
    same(mine.touch("k", t.short()).await?, false)?;
    same(mine.delete("k").await?, false)?;
    same(mine.add("k", "mine").await?, true)?;
    same(mine.delete_many(&["k".into()]).await?.into_iter().flatten().collect::<Vec<_>>(), vec![true])?;
    mine.set_many(vec![("k".into(), "mine".into())]).await?;
    mine.set_tagged("k", "mine", &["tag"]).await?;
    mine.invalidate_tag("tag").await?;
    same(neighbour.get("k").await?, Some("of the neighbour".into()))?;
    t.outlive(t.short()).await;
    same(neighbour.get("k").await?, Some("of the neighbour".into()))
}

async fn names_that_begin_alike_are_apart(t: &Context) -> Verdict {
    let names = ["users", "usersAbc", "users2", "user", "users-", "users.", "Users"];
    all_apart(&names.map(|name| t.cache_in(name)), &Key::new("k")).await
}

async fn a_parent_and_its_child_are_apart(t: &Context) -> Verdict {
    let names = ["shop", "shop/users", "shop/users/7", "shop/orders", "shop-users"];
    all_apart(&names.map(|name| t.cache_in(name)), &Key::new("k")).await
}

async fn schema_versions_are_apart(t: &Context) -> Verdict {
    let schema = |version: u32| t.cache_with(&format!("schema{version}"), |builder| builder.schema(version));
    all_apart(&[schema(0), schema(1), schema(2), schema(u32::MAX)], &Key::new("k")).await
}

async fn a_schema_version_is_no_name(t: &Context) -> Verdict {
    let namespace = t.namespace_of("n");
    let schema = t.cache_with("schema", |builder| builder.namespace(namespace).schema(2));
    all_apart(&[schema, t.cache_in("n@2"), t.cache_in("n%402"), t.cache_in("n")], &Key::new("k")).await
}

async fn odd_names_work(t: &Context) -> Verdict {
    let names =
        ["a b", "a", "\u{e9}", "e\u{301}", "*", "{x}", "a:b", "a\r\nb", "\0", "%", "~", "!v", "a!v", ".."];
    let caches = names.map(|name| t.cache_in(name));
    all_apart(&caches, &Key::new("k")).await?;
    caches[0].clear().await?;
    same(caches[0].get("k").await?, None)?;
    for cache in &caches[1..] {
        same(cache.contains("k").await?, true)?;
    }
    Ok(())
}

async fn the_border_of_namespace_and_key_matters(t: &Context) -> Verdict {
    let (short, long) = (t.cache_in("a"), t.cache_in("a/b"));
    short.set(Key::new("/b").part("c"), "1").await?;
    short.set(Key::new("b").part("c"), "2").await?;
    short.set("b:c", "3").await?;
    same(long.get("c").await?, None)?;
    long.set("c", "4").await?;
    same(short.get(Key::new("/b").part("c")).await?, Some("1".into()))?;
    same(short.get(Key::new("b").part("c")).await?, Some("2".into()))?;
    same(short.get("b:c").await?, Some("3".into()))
}

async fn caches_of_one_namespace_are_one(t: &Context) -> Verdict {
    let (one, other) = (t.prompt("one"), t.prompt("other"));
    one.set("k", "v").await?;
    same(other.get("k").await?, Some("v".into()))?;
    other.clear().await?;
    same(one.get("k").await?, None)?;
    one.set_tagged("k", "v", &["tag"]).await?;
    same(other.get("k").await?, Some("v".into()))?;
    other.invalidate_tag("tag").await?;
    same(one.get("k").await?, None)
}
