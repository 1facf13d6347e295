//! Characters that mean something to a protocol, a shell or a pattern.

use larder_core::Key;

use super::{all_differ, every_operation_works};
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
};

family! { "keys":
    spaces_and_control_characters_work = "Spaces, tabs, line ends, NUL and DEL in a key work on every operation.";
    unicode_works = "Unicode in a key works on every operation: every plane, combining marks, right to left.";
    punctuation_works = "Quotes, slashes, braces and their like in a key work on every operation.";
    control_characters_are_kept_apart = "Keys that differ in one control character are different keys.";
    a_key_is_no_command = "A key that looks like a command of a server's protocol is a key and nothing else.";
    a_pattern_means_nothing = "`*`, `?`, `[` and `{` in a key mean nothing: they match no other key.";
    a_hash_tag_means_nothing = "Braces in a key choose no slot and hide no part of it.";
    a_key_does_not_leave_its_namespace = "Separators in a key do not lead into another namespace.";
    escapes_are_kept_apart = "A key that looks like the escaped form of another is another.";
}

async fn spaces_and_control_characters_work(t: &Context) -> Verdict {
    let cache = t.cache();
    for text in [" ", "a b", "\t", "a\r\nb", "\n", "\0", "a\0b", "\u{7f}", "\u{1b}[0m"] {
        every_operation_works(&cache, &Key::new(text)).await?;
    }
    Ok(())
}

async fn unicode_works(t: &Context) -> Verdict {
    let cache = t.cache();
    for text in
        ["\u{e9}", "e\u{301}", "\u{4e2d}\u{6587}", "\u{1F980}", "\u{202e}\u{5e9}", "\u{feff}", "\u{10ffff}"]
    {
        every_operation_works(&cache, &Key::new(text)).await?;
    }
    Ok(())
}

async fn punctuation_works(t: &Context) -> Verdict {
    let cache = t.cache();
    for text in
        ["\"", "'", "''", "{}()/\\@:", "%", "%41", "..", "../a", "a;b", "$(id)", "#1", "!t", "~", "<a>", "^0"]
    {
        every_operation_works(&cache, &Key::new(text)).await?;
    }
    Ok(())
}

async fn control_characters_are_kept_apart(t: &Context) -> Verdict {
    let controls = (0..=32_u8).chain([127]).map(|control| Key::new(format!("a{}b", char::from(control))));
    let keys: Vec<Key> = controls.chain([Key::new("ab"), Key::new("a")]).collect();
    all_differ(&t.cache(), &keys).await
}

async fn a_key_is_no_command(t: &Context) -> Verdict {
    let cache = t.cache();
    cache.set("victim", "untouched").await?;
    let text = t.direct().text_of(&Key::new("victim"));
    for command in [
        format!("k\r\nset {text} 0 0 5\r\nPWNED\r\n"),
        format!("k\r\nms {text} 5\r\nPWNED\r\n"),
        format!("k 0 0 1\r\nx\r\ndelete {text}\r\n"),
        format!("k\r\n*2\r\n$3\r\nDEL\r\n${}\r\n{text}\r\n", text.len()),
        "k\r\nflush_all\r\n".to_owned(),
        "k\r\nFLUSHALL\r\n".to_owned(),
    ] {
        every_operation_works(&cache, &Key::new(command)).await?;
        same(cache.get("victim").await?, Some("untouched".into()))?;
    }
    Ok(())
}

async fn a_pattern_means_nothing(t: &Context) -> Verdict {
    let cache = t.cache();
    for text in ["a", "ab", "abc", "k1"] {
        cache.set(text, "untouched").await?;
    }
    for pattern in ["*", "a*", "?", "a?", "[a-z]", "[a]", "{a}", "k[0-9]", "**", "a[b]c", "\\a"] {
        same(cache.get(pattern).await?, None)?;
        same(cache.delete(pattern).await?, false)?;
        every_operation_works(&cache, &Key::new(pattern)).await?;
    }
    for text in ["a", "ab", "abc", "k1"] {
        same(cache.get(text).await?, Some("untouched".into()))?;
    }
    Ok(())
}

async fn a_hash_tag_means_nothing(t: &Context) -> Verdict {
    let keys = ["{tag}a", "{tag}b", "{tag}", "tag", "{}a", "{}b", "a{tag}", "{tag}{tag}"].map(Key::from);
    all_differ(&t.cache(), &keys).await
}

async fn a_key_does_not_leave_its_namespace(t: &Context) -> Verdict {
    let (outer, inner, beside) = (t.cache_in("n"), t.cache_in("n/inner"), t.cache_in("n-beside"));
    inner.set("k", "of inner").await?;
    beside.set("k", "of beside").await?;
    for text in ["/inner:k", "inner:k", "/inner/k", "inner/k", "-beside:k", "../n/inner:k", "!v:generation"] {
        same(outer.get(text).await?, None)?;
        every_operation_works(&outer, &Key::new(text)).await?;
    }
    let inner_text = format!("{}:k", t.namespace_of("n/inner"));
    same(outer.get(inner_text.as_str()).await?, None)?;
    every_operation_works(&outer, &Key::new(inner_text)).await?;
    same(inner.get("k").await?, Some("of inner".into()))?;
    same(beside.get("k").await?, Some("of beside".into()))
}

async fn escapes_are_kept_apart(t: &Context) -> Verdict {
    let keys = ["\u{e9}", "%C3%A9", "%25C3%25A9", "%c3%a9", "a%3Ab", "a:b", "%", "%25", " ", "%20", "+"];
    all_differ(&t.cache(), &keys.map(Key::from)).await
}
