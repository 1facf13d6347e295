//! What a clear reaches, and what it does not.

use larder_core::Key;

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
};

family! { "namespaces":
    clear_leaves_siblings = "A clear leaves the namespaces beside it, also those whose names begin alike.";
    clear_reaches_below = "Clearing a namespace clears those below it, at every depth.";
    clear_leaves_what_is_above = "Clearing a namespace leaves the one above it and its other children.";
    below_a_clear_everything_works_again = "What is written below a cleared namespace afterwards is a hit.";
    clearing_a_parent_that_has_no_entries_reaches_its_children = "A parent that has no entries of its own clears its children all the same.";
    a_deep_namespace_is_cleared_at_every_level = "A namespace of many levels is cleared by a clear of each of them.";
    a_sibling_below_a_sibling_stays = "Clearing `a/b` leaves `a/bc` and `ab/b`.";
    #[needs(ForeignBytes, SeenBytes)] clear_leaves_foreign_keys = "A clear leaves keys of other programs in the same store, whatever they are called.";
    #[needs(ForeignBytes, SeenBytes)] invalidating_a_tag_leaves_foreign_keys = "Invalidating a tag leaves keys of other programs in the same store.";
}

async fn clear_leaves_siblings(t: &Context) -> Verdict {
    let cleared = t.cache_in("users");
    let siblings = ["usersAbc", "user", "users2", "users-", "Users", "users@1", "orders", "users!v"];
    let siblings = siblings.map(|name| t.cache_in(name));
    cleared.set("k", "v").await?;
    for sibling in &siblings {
        sibling.set("k", "v").await?;
        sibling.set("generation", "v").await?;
    }
    cleared.clear().await?;
    same(cleared.get("k").await?, None)?;
    for sibling in &siblings {
        same(sibling.get("k").await?, Some("v".into()))?;
        same(sibling.get("generation").await?, Some("v".into()))?;
    }
    Ok(())
}

async fn clear_reaches_below(t: &Context) -> Verdict {
    let prompt = |name: &str| prompt_in(t, name);
    let (shop, users, seven) = (prompt("shop"), prompt("shop/users"), prompt("shop/users/7"));
    for cache in [&shop, &users, &seven] {
        cache.set("k", "v").await?;
        same(cache.get("k").await?, Some("v".into()))?;
    }
    shop.clear().await?;
    for cache in [&shop, &users, &seven] {
        same(cache.get("k").await?, None)?;
    }
    Ok(())
}

async fn clear_leaves_what_is_above(t: &Context) -> Verdict {
    let prompt = |name: &str| prompt_in(t, name);
    let (shop, users, seven, orders) =
        (prompt("shop"), prompt("shop/users"), prompt("shop/users/7"), prompt("shop/orders"));
    for cache in [&shop, &users, &seven, &orders] {
        cache.set("k", "v").await?;
    }
    users.clear().await?;
    same(shop.get("k").await?, Some("v".into()))?;
    same(users.get("k").await?, None)?;
    same(seven.get("k").await?, None)?;
    same(orders.get("k").await?, Some("v".into()))
}

async fn below_a_clear_everything_works_again(t: &Context) -> Verdict {
    let (shop, users) = (prompt_in(t, "shop"), prompt_in(t, "shop/users"));
    for round in 0..5_i64 {
        users.set("k", round).await?;
        same(users.get("k").await?, Some(round.into()))?;
        shop.clear().await?;
        same(users.get("k").await?, None)?;
        same(users.add("k", round + 100).await?, true)?;
        same(users.get("k").await?, Some((round + 100).into()))?;
        users.clear().await?;
        same(users.get("k").await?, None)?;
    }
    Ok(())
}

async fn clearing_a_parent_that_has_no_entries_reaches_its_children(t: &Context) -> Verdict {
    let users = prompt_in(t, "shop/users");
    users.set("k", "v").await?;
    prompt_in(t, "shop").clear().await?;
    same(users.get("k").await?, None)
}

async fn a_deep_namespace_is_cleared_at_every_level(t: &Context) -> Verdict {
    let path = |depth: usize| vec!["n"; depth].join("/");
    let deepest = prompt_in(t, &path(8));
    for depth in 1..=8 {
        deepest.set("k", "v").await?;
        same(deepest.get("k").await?, Some("v".into()))?;
        prompt_in(t, &path(depth)).clear().await?;
        same((depth, deepest.get("k").await?), (depth, None))?;
    }
    Ok(())
}

async fn a_sibling_below_a_sibling_stays(t: &Context) -> Verdict {
    let others = ["a/bc", "ab/b", "a/b-c", "a", "b/a", "a/c/b"].map(|name| prompt_in(t, name));
    let cleared = prompt_in(t, "a/b");
    for cache in others.iter().chain([&cleared]) {
        cache.set("k", "v").await?;
    }
    cleared.clear().await?;
    same(cleared.get("k").await?, None)?;
    for other in &others {
        same(other.get("k").await?, Some("v".into()))?;
    }
    Ok(())
}

async fn clear_leaves_foreign_keys(t: &Context) -> Verdict {
    let cache = t.cache();
    let foreign = foreign_keys(t).await;
    cache.set("k", "v").await?;
    cache.clear().await?;
    same(cache.get("k").await?, None)?;
    still_there(t, &foreign).await
}

async fn invalidating_a_tag_leaves_foreign_keys(t: &Context) -> Verdict {
    let cache = t.cache();
    let foreign = foreign_keys(t).await;
    cache.set_tagged("k", "v", &["tag", "*"]).await?;
    cache.invalidate_tag("tag").await?;
    cache.invalidate_tag("*").await?;
    same(cache.get("k").await?, None)?;
    still_there(t, &foreign).await
}

async fn foreign_keys(t: &Context) -> [String; 5] {
    let namespace = t.namespace();
    let keys = [
        namespace.to_owned(),
        format!("{namespace}.other"),
        format!("{namespace}/foreign"),
        format!("foreign-{namespace}:k"),
        t.direct().text_of(&Key::new("foreign")),
    ];
    for key in &keys {
        t.vandalize(key, b"of another program").await;
    }
    keys
}

async fn still_there(t: &Context, keys: &[String]) -> Verdict {
    for key in keys {
        let seen = t.stored_bytes(key).await;
        let is_there = seen.as_deref() == Some(b"of another program");
        holds(is_there, &format!("the foreign bytes under {key}"), seen)?;
    }
    Ok(())
}

/// A cache in a namespace of this name that sees at once what others clear.
fn prompt_in(t: &Context, name: &str) -> crate::probe::Probe {
    let namespace = t.namespace_of(name);
    t.cache_with(name, |builder| builder.namespace(namespace).invalidation_lag(std::time::Duration::ZERO))
}
