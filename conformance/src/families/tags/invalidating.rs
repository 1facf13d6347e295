//! What an invalidation kills and what it leaves.

use larder_core::{Key, Ttl, cache::Status, miss::Miss};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    value::Value,
};

family! { "tags":
    invalidating_kills_all_under_the_tag = "All entries written under a tag before its invalidation miss.";
    invalidating_leaves_the_others = "Entries under other tags, and under none, are not touched by an invalidation.";
    each_of_several_tags_kills = "An entry under several tags dies when any of them is invalidated.";
    what_is_written_afterwards_lives = "What is written under a tag after its invalidation hits, also within the same tick of the clock.";
    an_overwrite_drops_the_old_tags = "Overwriting replaces the tags: an old one means nothing to the new entry.";
    an_overwrite_brings_its_own_tags = "Overwriting replaces the tags: the new entry dies by its own.";
    every_read_sees_an_invalidation = "Every kind of read sees that an entry's tag was invalidated.";
    an_invalidated_key_says_why = "A miss has a reason: an entry whose tag was invalidated is superseded, or absent.";
    invalidating_an_unused_tag_succeeds = "Invalidating a tag that was never used succeeds, however often.";
    an_unused_tag_may_be_used_afterwards = "A tag that was invalidated before its first use is used like any other.";
    a_tag_belongs_to_its_namespace = "A tag of one namespace means nothing in another, above or below.";
    a_tag_is_no_key = "A tag and a key of the same name have nothing to do with each other.";
    what_was_loaded_under_a_tag_dies_with_it = "What was loaded under a tag misses after its invalidation, and is loaded again.";
    tags_of_every_life_kill = "An entry dies with its tag whatever its life.";
    invalidated_stays_dead = "What an invalidation killed is not brought back by later ones, or by writes under the tag.";
    #[needs(InProcess)] an_invalidated_entry_is_not_there_to_delete = "`delete` is `false` for an entry whose tag was invalidated: it is no live one.";
}

async fn invalidating_kills_all_under_the_tag(t: &Context) -> Verdict {
    let cache = t.cache();
    for number in 0..30_u32 {
        cache.set_tagged(Key::new("k").part(number), "v", &["tag"]).await?;
    }
    cache.invalidate_tag("tag").await?;
    for number in 0..30_u32 {
        same(cache.get(Key::new("k").part(number)).await?, None)?;
    }
    Ok(())
}

async fn invalidating_leaves_the_others(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("other", "v", &["other"]).await?;
    cache.set_tagged("longer", "v", &["tags"]).await?;
    cache.set_tagged("shorter", "v", &["ta"]).await?;
    cache.set_tagged("capital", "v", &["Tag"]).await?;
    cache.set("none", "v").await?;
    cache.invalidate_tag("tag").await?;
    for key in ["other", "longer", "shorter", "capital", "none"] {
        same(cache.get(key).await?, Some("v".into()))?;
    }
    Ok(())
}

async fn each_of_several_tags_kills(t: &Context) -> Verdict {
    let cache = t.cache();
    for tag in ["a", "b", "c"] {
        cache.set_tagged("k", "v", &["a", "b", "c"]).await?;
        same(cache.get("k").await?, Some("v".into()))?;
        cache.invalidate_tag(tag).await?;
        same((tag, cache.get("k").await?), (tag, None))?;
    }
    Ok(())
}

async fn what_is_written_afterwards_lives(t: &Context) -> Verdict {
    let cache = t.cache();
    for number in 0..20_i64 {
        cache.invalidate_tag("tag").await?;
        same(cache.get("k").await?, None)?;
        cache.set_tagged("k", number, &["tag"]).await?;
        same(cache.get("k").await?, Some(number.into()))?;
    }
    Ok(())
}

async fn an_overwrite_drops_the_old_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("tagged", "old", &["old", "both"]).await?;
    cache.set_tagged("tagged", "new", &["both"]).await?;
    cache.set_tagged("untagged", "old", &["old"]).await?;
    cache.set("untagged", "new").await?;
    cache.invalidate_tag("old").await?;
    same(cache.get("tagged").await?, Some("new".into()))?;
    same(cache.get("untagged").await?, Some("new".into()))
}

async fn an_overwrite_brings_its_own_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    cache.set_tagged("k", "new", &["new"]).await?;
    same(cache.get("k").await?, Some("new".into()))?;
    cache.invalidate_tag("new").await?;
    same(cache.get("k").await?, None)
}

async fn every_read_sees_an_invalidation(t: &Context) -> Verdict {
    let cache = t.cache();
    let key = Key::new("k");
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    same(cache.contains("k").await?, false)?;
    same(cache.ttl("k").await?, None)?;
    same(cache.cache().get_encoded(&key).await?.is_none(), true)?;
    same(cache.touch("k", Ttl::Never).await?, false)?;
    same(cache.get_many(&[key]).await?.into_iter().collect::<Result<Vec<_>, _>>()?, [None])?;
    same(cache.get("k").await?, None)
}

async fn an_invalidated_key_says_why(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    let seen = cache.look_up("k").await?;
    holds(matches!(seen, Err(Miss::Invalidated | Miss::Absent)), "invalidated or absent", seen)
}

async fn invalidating_an_unused_tag_succeeds(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "v").await?;
    for _ in 0..3 {
        cache.invalidate_tag("never used").await?;
    }
    same(cache.get("k").await?, Some("v".into()))
}

async fn an_unused_tag_may_be_used_afterwards(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.invalidate_tag("tag").await?;
    cache.set_tagged("k", "v", &["tag"]).await?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn a_tag_belongs_to_its_namespace(t: &Context) -> Verdict {
    let caches = ["shop", "shop/users", "shopping", "orders"].map(|name| t.cache_in(name));
    for cache in &caches {
        cache.set_tagged("k", "v", &["tag"]).await?;
    }
    caches[0].invalidate_tag("tag").await?;
    same(caches[0].get("k").await?, None)?;
    for cache in &caches[1..] {
        same(cache.get("k").await?, Some("v".into()))?;
    }
    caches[1].invalidate_tag("tag").await?;
    same(caches[1].get("k").await?, None)?;
    caches[0].set_tagged("k", "w", &["tag"]).await?;
    same(caches[0].get("k").await?, Some("w".into()))
}

async fn a_tag_is_no_key(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("name", "key").await?;
    cache.set_tagged("other", "tagged", &["name"]).await?;
    cache.delete("name").await?;
    same(cache.get("other").await?, Some("tagged".into()))?;
    cache.set("name", "key").await?;
    cache.invalidate_tag("name").await?;
    same(cache.get("name").await?, Some("key".into()))?;
    same(cache.get("other").await?, None)?;
    cache.set(Key::new("tag").part("name"), "key").await?;
    cache.set_tagged("other", "tagged", &["name"]).await?;
    same(cache.get("other").await?, Some("tagged".into()))
}

async fn what_was_loaded_under_a_tag_dies_with_it(t: &Context) -> Verdict {
    let cache = t.cache();
    let load =
        |text: &'static str| move || async move { Ok::<_, std::convert::Infallible>(Value::from(text)) };
    let life = t.short() * 100;
    same(cache.load_as("k", life, &["tag"], load("first")).await?, ("first".into(), Status::Loaded))?;
    same(cache.load_as("k", life, &["tag"], load("second")).await?, ("first".into(), Status::Hit))?;
    cache.invalidate_tag("tag").await?;
    same(cache.load_as("k", life, &["tag"], load("third")).await?, ("third".into(), Status::Loaded))?;
    same(cache.get("k").await?, Some("third".into()))
}

async fn tags_of_every_life_kill(t: &Context) -> Verdict {
    let cache = t.cache();
    let lives = [
        Ttl::Never,
        Ttl::After(std::time::Duration::MAX),
        (t.short() * 100).into(),
        (t.short() * 100_000).into(),
    ];
    for round in 0..2_i64 {
        for (number, life) in lives.into_iter().enumerate() {
            let key = Key::new("k").part(number);
            cache.cache().at(&key).ttl(life).tag("tag").set(round.into()).await?;
            t.note(&format!("cache.at(&key).ttl({life:?}).tag(\"tag\").set({round}).await;"), ());
            same(cache.get(key).await?, Some(round.into()))?;
        }
        cache.invalidate_tag("tag").await?;
        for number in 0..lives.len() {
            same(cache.get(Key::new("k").part(number)).await?, None)?;
        }
    }
    Ok(())
}

async fn invalidated_stays_dead(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("dead", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    for round in 0..10_i64 {
        cache.set_tagged("other", round, &["tag"]).await?;
        same(cache.get("dead").await?, None)?;
        cache.invalidate_tag("tag").await?;
        same(cache.get("dead").await?, None)?;
        same(cache.get("other").await?, None)?;
    }
    Ok(())
}

async fn an_invalidated_entry_is_not_there_to_delete(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"]).await?;
    cache.invalidate_tag("tag").await?;
    same(cache.delete("k").await?, false)
}
