//! RFC 9111: what forbids storing forbids it however it is written and whatever stands around it, nothing is fresh for longer than it
//! says, and what is stored can be written down and read again.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use arbitrary::Arbitrary;
use http::{HeaderName, HeaderValue, Request, Response};
use larder_http::caching::{
    Exchange, Rules, Stored,
    cache_control::{AnswerControl, RequestControl},
    reuse::{Reuse, reuse},
    storing::{Storing, storing},
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    asked: Vec<Field>,
    answered: Vec<Field>,
    status: u16,
    took: u16,
    later: u32,
    heuristic: bool,
    forbidden: Option<Forbidden>,
}

#[derive(Debug, Arbitrary)]
struct Field {
    name: u8,
    value: Vec<Piece>,
}

/// What a field's value is made of.
#[derive(Debug, Arbitrary)]
enum Piece {
    Word(u8),
    Number(u64),
    Mark(u8),
    Text(Vec<u8>),
    Time(u32),
}

/// What ends the discussion, at the beginning of a field of its own.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Forbidden {
    NoStore,
    Private,
    Capitals,
    WithValue,
    AskedNotTo,
}

const NAMES: &[&str] = &[
    "cache-control",
    "cdn-cache-control",
    "expires",
    "date",
    "age",
    "etag",
    "last-modified",
    "vary",
    "pragma",
    "authorization",
    "set-cookie",
    "cache-groups",
    "if-none-match",
    "range",
    "surrogate-control",
];
const WORDS: &[&str] = &[
    "no-store",
    "no-cache",
    "private",
    "public",
    "max-age",
    "s-maxage",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "stale-while-revalidate",
    "stale-if-error",
    "only-if-cached",
    "max-stale",
    "min-fresh",
    "accept",
    "*",
    "W/\"a\"",
    "\"a\"",
];
const MARKS: &[&str] = &[",", "=", "\"", "\\", " ", "\t", ";", ", ", "=\""];

fn fields(of: &[Field]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    of.iter().filter_map(|field| {
        let mut value = Vec::new();
        for piece in &field.value {
            match piece {
                Piece::Word(of) => value.extend(WORDS[usize::from(*of) % WORDS.len()].bytes()),
                Piece::Number(number) => value.extend(number.to_string().bytes()),
                Piece::Mark(of) => value.extend(MARKS[usize::from(*of) % MARKS.len()].bytes()),
                Piece::Text(text) => value.extend(text),
                Piece::Time(time) => {
                    let time = UNIX_EPOCH + Duration::from_secs((*time).into());
                    value.extend(larder_http::caching::date::date_value(time).as_bytes());
                }
            }
        }
        let name = HeaderName::from_static(NAMES[usize::from(field.name) % NAMES.len()]);
        Some((name, HeaderValue::from_bytes(&value).ok()?))
    })
}

fuzz_target!(|input: Input| {
    let mut request = Request::get("http://example.com/a");
    let mut answer =
        Response::builder().status(if input.status % 4 == 0 { (input.status % 900).max(100) } else { 200 });
    for (name, value) in fields(&input.asked) {
        request = request.header(name, value);
    }
    for (name, value) in fields(&input.answered) {
        answer = answer.header(name, value);
    }
    // The most specific field of those that are for this cache is the only one that counts (RFC 9213, 2.1), so it is said there too.
    for name in ["cache-control", "cdn-cache-control"] {
        answer = match input.forbidden {
            Some(Forbidden::NoStore) => answer.header(name, "no-store"),
            Some(Forbidden::Private) => answer.header(name, "private"),
            Some(Forbidden::Capitals) => answer.header(name, "  NO-STORE ,max-age=9"),
            Some(Forbidden::WithValue) => answer.header(name, "no-store=1, public, max-age=9"),
            _ => answer,
        };
    }
    if matches!(input.forbidden, Some(Forbidden::AskedNotTo)) {
        request = request.header("cache-control", "no-store");
    }
    let (Ok(request), Ok(answer)) = (request.body(()), answer.body(())) else { return };
    let (request, answer) = (request.into_parts().0, answer.into_parts().0);
    // No panic in what is not asked about below.
    let _ = AnswerControl::of(&answer.headers);
    let asked_for = RequestControl::of(&request.headers);

    let mut rules = Rules::default();
    rules.heuristic = input.heuristic.then_some(0.1);
    let asked = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let answered = asked + Duration::from_millis(input.took.into());
    let exchange = Exchange { request: &request, answer: &answer, asked, answered };
    let Storing::Store(stored) = storing(&exchange, &rules) else { return };
    // `no-store` may stand beside `must-understand`; and a value makes of it something else in a targeted field, whose syntax is another.
    let says = |word: &str| {
        let mut values = answer.headers.values().map(|value| value.as_bytes().to_ascii_lowercase());
        values.any(|value| value.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    let is_excused = match input.forbidden {
        Some(Forbidden::NoStore | Forbidden::Capitals) => says("must-understand"),
        Some(Forbidden::WithValue) => {
            says("must-understand") || answer.headers.contains_key("cdn-cache-control")
        }
        Some(Forbidden::Private | Forbidden::AskedNotTo) => false,
        None => true,
    };
    assert!(is_excused, "{:?}: {answer:?}", input.forbidden);
    assert!(!asked_for.no_store);

    let text = serde_json::to_string(&*stored).expect("it can be written down");
    assert_eq!(serde_json::from_str::<Stored>(&text).expect("and read"), *stored);

    // Without `max-stale` and stale windows, nothing is a hit that has outlived its lifetime.
    let later = answered + Duration::from_secs(input.later.into());
    if let Reuse::Hit { age, stale, .. } = reuse(&request, [&*stored], later, &rules) {
        assert_eq!(age, stored.age(later));
        assert_eq!(stale.is_none(), stored.ttl(later) > 0, "{stored:?}");
    }
});
