//! Which tags there can be, and how many.

use std::convert::Infallible;

use larder_core::{ErrorKind, Key};

use crate::{
    case::family,
    context::Context,
    failure::{Verdict, fails, same},
    value::Value,
};

family! { "tags":
    the_same_tag_twice_counts_once = "The same tag given many times to one entry counts once.";
    an_entry_may_have_sixty_four_tags = "An entry may have 64 tags, and dies with each of them.";
    more_tags_are_refused = "More than 64 tags are refused before anything is written.";
    empty_and_overlong_tags_are_refused = "An empty tag, and one longer than 255 bytes, is refused before anything is written.";
    a_load_under_a_bad_tag_does_not_run = "A load under a tag that cannot be used is refused before the loader runs.";
    tags_of_any_characters_work = "Tags may have any characters, and each is its own.";
    a_tag_is_no_pattern = "`*` and its like in a tag mean nothing: they invalidate no other tag.";
    the_longest_tag_works = "A tag of 255 bytes is used like any other, and so is one that differs in its last byte.";
}

async fn the_same_tag_twice_counts_once(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag"; 200]).await?;
    same(cache.get("k").await?, Some("v".into()))?;
    cache.invalidate_tag("tag").await?;
    same(cache.get("k").await?, None)
}

async fn an_entry_may_have_sixty_four_tags(t: &Context) -> Verdict {
    let cache = t.cache();
    let tags: Vec<String> = (0..64).map(|number| format!("tag-{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    for tag in ["tag-0", "tag-31", "tag-63"] {
        cache.set_tagged("k", "v", &tags).await?;
        same(cache.get("k").await?, Some("v".into()))?;
        cache.invalidate_tag(tag).await?;
        same((tag, cache.get("k").await?), (tag, None))?;
    }
    Ok(())
}

async fn more_tags_are_refused(t: &Context) -> Verdict {
    let cache = t.cache();
    let tags: Vec<String> = (0..65).map(|number| format!("tag-{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    cache.set("k", "old").await?;
    fails(cache.set_tagged("k", "new", &tags).await, ErrorKind::InvalidKey)?;
    fails(cache.add_tagged("free", "new", &tags).await, ErrorKind::InvalidKey)?;
    same(cache.get("k").await?, Some("old".into()))?;
    same(cache.get("free").await?, None)
}

async fn empty_and_overlong_tags_are_refused(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("k", "old").await?;
    let overlong = ["t".repeat(256), "\u{e9}".repeat(128), "t".repeat(100_000)];
    for tag in overlong.iter().map(String::as_str).chain([""]) {
        fails(cache.set_tagged("k", "new", &["good", tag]).await, ErrorKind::InvalidKey)?;
        fails(cache.add_tagged("free", "new", &[tag]).await, ErrorKind::InvalidKey)?;
        fails(cache.invalidate_tag(tag).await, ErrorKind::InvalidKey)?;
    }
    same(cache.get("k").await?, Some("old".into()))?;
    same(cache.get("free").await?, None)
}

async fn a_load_under_a_bad_tag_does_not_run(t: &Context) -> Verdict {
    let cache = t.cache();
    let load = || async { Err::<Value, _>("the loader was called") };
    fails(cache.load_as("k", t.short(), &[""], load).await, ErrorKind::InvalidKey)?;
    // Nobody is left waiting for that load.
    let load = || async { Ok::<_, Infallible>(Value::from("v")) };
    same(cache.load_as("k", t.short() * 100, &["good"], load).await?.0, "v".into())
}

async fn tags_of_any_characters_work(t: &Context) -> Verdict {
    let cache = t.cache();
    let tags = [
        "10",
        "#10",
        " ",
        "a b",
        "a\r\nb",
        "\0",
        "\u{7f}",
        "\u{e9}",
        "e\u{301}",
        "\u{1F980}",
        "*",
        "?",
        "[a]",
        "{a}",
        "a:b",
        "a/b",
        "%41",
        "A",
        "\"",
        "~",
        "generation",
        "tag:a",
    ];
    let key = |number: usize| Key::new("k").part(number);
    for (number, tag) in tags.into_iter().enumerate() {
        cache.set_tagged(key(number), "v", &[tag]).await?;
    }
    for (number, tag) in tags.into_iter().enumerate() {
        same((tag, cache.get(key(number)).await?), (tag, Some("v".into())))?;
        cache.invalidate_tag(tag).await?;
        same((tag, cache.get(key(number)).await?), (tag, None))?;
    }
    Ok(())
}

async fn a_tag_is_no_pattern(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set_tagged("k", "v", &["tag", "tags"]).await?;
    for pattern in ["*", "t*", "ta?", "[t]ag", "{tag}", "tag*", "", "tag\0", "tag\r\n"] {
        if !pattern.is_empty() {
            cache.invalidate_tag(pattern).await?;
        }
        same(cache.get("k").await?, Some("v".into()))?;
    }
    Ok(())
}

async fn the_longest_tag_works(t: &Context) -> Verdict {
    let cache = t.cache();
    let (one, other) = ("t".repeat(255), "t".repeat(254) + "u");
    cache.set_tagged("one", "v", &[&one]).await?;
    cache.set_tagged("other", "v", &[&other]).await?;
    cache.invalidate_tag(&one).await?;
    same(cache.get("one").await?, None)?;
    same(cache.get("other").await?, Some("v".into()))
}
