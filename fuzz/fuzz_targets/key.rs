//! Keys are portable, stable, and never alike unless their parts are.
#![no_main]

use arbitrary::Arbitrary;
use larder_core::{
    Key,
    key::{MAX_KEY, MAX_NAMESPACE, MAX_STORE_KEY, Namespace, StoreKey},
};
use larder_fuzz::{Mark, Part, Parts, Space, Text, is_long};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    space: Space,
    parts: Parts,
    other_space: Option<Space>,
    other: Other,
}

/// The key that must not be taken for the first one.
#[derive(Debug, Arbitrary)]
enum Other {
    Anything(Parts),
    NearlyTheSame(Edit),
    SomewhatTheSame(Vec<Edit>),
}

/// What might make a key look like another one.
#[derive(Debug, Arbitrary)]
enum Edit {
    /// Two neighbours become one text, with something between them.
    Join(u8, Mark),
    /// A part becomes the text that it renders as.
    Quote(u8),
    /// A part becomes a list or a set of it.
    Wrap(u8, bool),
    /// Two parts change places.
    Swap(u8, u8),
    /// A part comes twice.
    Repeat(u8),
    /// A part goes.
    Remove(u8),
    /// A part gets a name, another one, or none.
    Rename(u8, Option<Text>),
    /// A text or bytes become one longer.
    Lengthen(u8, Mark),
    /// Bytes become the text that they are, a text its bytes.
    Retype(u8),
    /// Something happens within a list or a set.
    Within(u8, Within),
    /// The tail is digested in the other way.
    Digest,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Within {
    Reverse,
    RepeatFirst,
    RemoveLast,
}

fuzz_target!(|input: Input| {
    let Input { space, parts, other_space, other } = input;
    let other = match other {
        Other::Anything(other) => other,
        Other::NearlyTheSame(edit) => edited(parts.clone(), &edit),
        Other::SomewhatTheSame(edits) => edits.iter().fold(parts.clone(), edited),
    };
    let other_space = other_space.unwrap_or_else(|| space.clone());
    for (space, parts) in [(&space, &parts), (&other_space, &other)] {
        check_namespace(space);
        check_key(&space.namespace(), parts);
    }
    check_pair((&space.namespace(), &parts), (&other_space.namespace(), &other));
});

fn check_namespace(space: &Space) {
    let path = space.path();
    match Namespace::new(&path, space.schema()) {
        Ok(namespace) => {
            assert!(is_portable(namespace.text(), MAX_NAMESPACE - 2), "{namespace}");
            assert_eq!(namespace.schema(), space.schema());
        }
        Err(why) => {
            let escaped =
                path.bytes().map(|byte| if is_plain(byte) || byte == b'/' { 1 } else { 3 }).sum::<usize>();
            let longest = escaped + "@4294967295".len();
            assert!(path.split('/').any(str::is_empty) || longest > MAX_NAMESPACE - 2, "{why}");
        }
    }
}

fn check_key(namespace: &Namespace, parts: &Parts) {
    let key = parts.key();
    let unrendered = key.clone();
    assert!(is_portable(key.text(), MAX_KEY), "{key}");
    assert_eq!(key.is_empty(), parts.is_empty(), "{key}");
    for same in [unrendered, key.clone(), parts.key_rendered_at_every_step()] {
        assert_eq!(same.text(), key.text());
        assert_eq!(same.seeded_hash(), key.seeded_hash());
        assert_eq!(same, key);
    }

    let store_key = StoreKey::new(namespace, &key);
    let owned = store_key.into_owned();
    let mut written = Vec::new();
    store_key.write_to(&mut written);
    assert!(is_portable(owned.text(), MAX_STORE_KEY), "{owned:?}");
    assert_eq!(written, owned.text().as_bytes());
    assert_eq!(store_key.to_string(), owned.text());
    assert_eq!(store_key.len(), owned.text().len());
    assert_eq!(store_key.seeded_hash(), owned.seeded_hash());
    assert!(store_key.matches(&owned));
}

fn check_pair(left: (&Namespace, &Parts), right: (&Namespace, &Parts)) {
    let (left_key, right_key) = (left.1.key(), right.1.key());
    let same_parts = left.1.normal() == right.1.normal();
    // The digest belongs to the key once there is one.
    let same_digest = left.1.sha1 == right.1.sha1 || !(is_long(&left_key) && is_long(&right_key));
    assert_eq!(same_parts && same_digest, left_key.text() == right_key.text(), "{left_key} {right_key}");
    assert_eq!(same_parts && left.1.sha1 == right.1.sha1, left_key == right_key, "{left_key} {right_key}");

    let same = same_parts && same_digest && left.0 == right.0;
    let (left, right) = (StoreKey::new(left.0, &left_key), StoreKey::new(right.0, &right_key));
    assert_eq!(same, left.to_string() == right.to_string(), "{left} {right}");
    assert_eq!(same, left.matches(&right.into_owned()), "{left} {right}");
    assert_eq!(same, left.into_owned() == right.into_owned(), "{left} {right}");
}

fn is_portable(text: &str, most: usize) -> bool {
    text.len() <= most && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn edited(mut parts: Parts, edit: &Edit) -> Parts {
    let len = parts.rest.len();
    // The first part, or one of the others.
    let index = |at: u8| usize::from(at) % (len + 1);
    fn part(parts: &mut Parts, index: usize) -> &mut Part {
        if index == 0 { &mut parts.first } else { &mut parts.rest[index - 1].part }
    }
    match edit {
        Edit::Digest => parts.sha1 = !parts.sha1,
        Edit::Quote(at) => {
            let part = part(&mut parts, index(*at));
            *part = Part::Text(Text(Key::new(&*part).text().to_owned()));
        }
        Edit::Wrap(at, in_order) => {
            let part = part(&mut parts, index(*at));
            let inner = vec![part.clone()];
            *part = if *in_order { Part::List(inner) } else { Part::Set(inner) };
        }
        Edit::Lengthen(at, mark) => match part(&mut parts, index(*at)) {
            Part::Text(text) => text.0.push(mark.0),
            Part::Bytes(bytes) => bytes.extend(mark.0.to_string().bytes()),
            _ => {}
        },
        Edit::Retype(at) => {
            let part = part(&mut parts, index(*at));
            match part {
                Part::Text(text) => *part = Part::Bytes(text.0.clone().into_bytes()),
                Part::Bytes(bytes) => *part = Part::Text(Text(String::from_utf8_lossy(bytes).into_owned())),
                _ => {}
            }
        }
        Edit::Within(at, within) => {
            if let Part::List(parts) | Part::Set(parts) = part(&mut parts, index(*at)) {
                match within {
                    Within::Reverse => parts.reverse(),
                    Within::RepeatFirst => parts.extend(parts.first().cloned()),
                    Within::RemoveLast => drop(parts.pop()),
                }
            }
        }
        _ if len == 0 => {}
        Edit::Join(at, between) => {
            let at = usize::from(*at) % len;
            let right = text_of(&parts.rest.remove(at).part);
            let left = part(&mut parts, at);
            *left = Part::Text(Text(format!("{}{}{right}", text_of(left), between.0)));
        }
        Edit::Swap(left, right) => parts.rest.swap(usize::from(*left) % len, usize::from(*right) % len),
        Edit::Repeat(at) => {
            let at = usize::from(*at) % len;
            let element = parts.rest[at].clone();
            parts.rest.insert(at, element);
        }
        Edit::Remove(at) => drop(parts.rest.remove(usize::from(*at) % len)),
        Edit::Rename(at, name) => parts.rest[usize::from(*at) % len].name.clone_from(name),
    }
    parts
}

fn text_of(part: &Part) -> String {
    match part {
        Part::Text(text) => text.0.clone(),
        part => Key::new(part).text().to_owned(),
    }
}
