//! The canonical form: the same for what is the same, different for anything else, and never a panic.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;

use larder_http::canonical::{Digester, Fault, Keep, Limits, canonical, sorted};
use proptest::{collection::vec, prelude::*};

fn form(text: &str) -> Result<String, Fault> {
    canonical(text.as_bytes(), Limits::default(), order).map(|form| String::from_utf8(form).unwrap())
}

fn order(name: &[u8]) -> Keep {
    match name {
        b"sort" => Keep::Members,
        b"params" => Keep::All,
        _ => Keep::Sorted,
    }
}

#[test]
fn sorts_members_and_nothing_else() {
    for (text, expected) in [
        ("{}", "{}"),
        (" [ ] ", "[]"),
        (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        (
            r#"{"b":{"d":[3,1,{"z":0,"y":0}],"c":null},"a":true}"#,
            r#"{"a":true,"b":{"c":null,"d":[3,1,{"y":0,"z":0}]}}"#,
        ),
        ("\t[\n1 ,\r2]", "[1,2]"),
        (r#"{"a\u0062":1,"aa":2}"#, r#"{"aa":2,"ab":1}"#),
        // By bytes of UTF-8, in which U+FFFF comes before U+10000; by UTF-16 it would not.
        ("{\"\u{10000}\":1,\"\u{ffff}\":2}", "{\"\u{ffff}\":2,\"\u{10000}\":1}"),
        ("7", "7"),
    ] {
        assert_eq!(form(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn keeps_order_where_it_means_something() {
    for same in [
        r#"{"sort":{"b":1,"a":2}}"#,
        r#"{"sort":[{"b":1,"a":2},{"d":1,"c":2}]}"#,
        r#"{"params":{"b":{"d":1,"c":2},"a":[{"f":1,"e":2}]}}"#,
    ] {
        assert_eq!(form(same).unwrap(), same);
    }
    assert_eq!(
        form(r#"{"sort":{"b":{"y":1,"x":2},"a":2}}"#).unwrap(),
        r#"{"sort":{"b":{"x":2,"y":1},"a":2}}"#
    );
    assert_ne!(form(r#"{"sort":{"a":"asc","b":"desc"}}"#), form(r#"{"sort":{"b":"desc","a":"asc"}}"#));
}

#[test]
fn numbers_are_their_tokens() {
    let numbers =
        ["18446744073709551617", "18446744073709551618", "1", "1.0", "1e0", "1E0", "-0", "0", "0.1", "0.10"];
    let mut forms: Vec<_> = numbers.iter().map(|number| form(number).unwrap()).collect();
    assert_eq!(forms, numbers);
    forms.sort();
    forms.dedup();
    assert_eq!(forms.len(), numbers.len());
}

#[test]
fn strings_are_escaped_in_one_way() {
    assert_eq!(
        form(r#""\u0041\/\n\u000a\t\b\f\r\"\\\u001F\ud83d\ude00\u00e9""#).unwrap(),
        "\"A/\\u000a\\u000a\\u0009\\u0008\\u000c\\u000d\\\"\\\\\\u001f😀é\""
    );
    // Not normalised: é, and e with an accent.
    assert_ne!(form("\"\u{e9}\""), form("\"e\u{301}\""));
}

#[test]
fn has_no_form_for_what_is_in_doubt() {
    for (text, fault) in [
        (r#"{"a":1,"a":2}"#, Fault::DuplicateName),
        (r#"{"a":1,"\u0061":2}"#, Fault::DuplicateName),
        (r#"{"sort":{"b":1,"a":2,"b":3}}"#, Fault::DuplicateName),
        (r#"[{"x":[{"a":1,"b":0,"a":1}]}]"#, Fault::DuplicateName),
        (r#""\ud800""#, Fault::LoneSurrogate),
        (r#""\ude00\ud83d""#, Fault::LoneSurrogate),
        (r#""\ud800\u0041""#, Fault::LoneSurrogate),
        (r#"{"\udfff":1}"#, Fault::LoneSurrogate),
    ] {
        assert_eq!(form(text), Err(fault), "{text}");
    }
    for text in [
        "",
        " ",
        "{",
        "[",
        "]",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "1 2",
        "01",
        "-",
        "1.",
        ".1",
        "1e",
        "+1",
        "NaN",
        "Infinity",
        "t",
        "null0",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\n\"",
        "// a\n1",
        "[1]]",
        "{]",
        "[}",
        "\u{feff}1",
        "{\"a\":1}{}",
        "{\"a\" \"b\"}",
        "\"abcdefghijk\u{1}\"",
    ] {
        assert!(matches!(form(text), Err(Fault::Syntax { .. })), "{text}: {:?}", form(text));
    }
    assert!(matches!(canonical(b"\"\xff\"", Limits::default(), sorted), Err(Fault::Syntax { at: 1 })));
}

#[test]
fn is_bounded_by_the_callers_limits() {
    let limits = Limits { max_bytes: 20, max_depth: 3 };
    assert!(canonical(b"[[[ ]]]", limits, sorted).is_ok());
    assert_eq!(canonical(b"[[[[]]]]", limits, sorted), Err(Fault::TooDeep { limit: 3 }));
    assert_eq!(canonical(&[b'1'; 21], limits, sorted), Err(Fault::TooLong { limit: 20 }));
    // However deep, and whatever the caller allows.
    let limits = Limits { max_bytes: usize::MAX, max_depth: usize::MAX };
    assert_eq!(canonical(&vec![b'['; 10_000_000], limits, sorted), Err(Fault::TooDeep { limit: 1024 }));
    let deep = [vec![b'['; 1024], vec![b']'; 1024]].concat();
    assert_eq!(canonical(&deep, limits, sorted).unwrap(), deep);
}

#[test]
fn golden() {
    let body = br#"{"query":{"bool":{"filter":[{"term":{"gaia":true}}],"must":{"match":{"title":"caf\u00e9 \"x\""}}}},"size":10,"from":0.0}"#;
    let mut digester = Digester::new("golden");
    digester.field(7, &canonical(body, Limits::default(), sorted).unwrap());
    digester.field(8, b"");
    let hex = digester.finish().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    // sha256 of "larder-http", then for each field its tag, its length as eight bytes little-endian, and itself.
    assert_eq!(hex, "634e47fac94e3abb62fa4684c539a7f892dbf15cf3905f4dfec13436224201ac");
}

/// JSON, as a model.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Token(&'static str),
    Text(String),
    List(Vec<Json>),
    /// Without names that occur twice.
    Map(Vec<(String, Json)>),
}

fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof!["[a-c]{0,2}", any::<String>(), Just("sort".to_owned()), Just("params".to_owned())];
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "0", "-0", "1", "1.0", "1e3"])
            .prop_map(Json::Token),
        text.clone().prop_map(Json::Text)
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::List),
            vec((text.clone(), inner), 0..5).prop_map(|mut members| {
                members.sort_by(|left, right| left.0.cmp(&right.0));
                members.dedup_by(|left, right| left.0 == right.0);
                Json::Map(members)
            }),
        ]
    })
}

/// Renders with white space, escapes and an order of members by choice.
fn render(json: &Json, choices: &mut impl FnMut() -> u8, out: &mut String) {
    let space = |choice: u8| ["", " ", "\n", "\t\r"][usize::from(choice % 4)];
    out.push_str(space(choices()));
    match json {
        Json::Token(token) => out.push_str(token),
        Json::Text(text) => quote(text, choices, out),
        Json::List(list) => {
            out.push('[');
            for (at, element) in list.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                render(element, choices, out);
            }
            out.push(']');
        }
        Json::Map(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for at in (1..members.len()).rev() {
                members.swap(at, usize::from(choices()) % (at + 1));
            }
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(space(choices()));
                quote(name, choices, out);
                out.push_str(space(choices()));
                out.push(':');
                render(value, choices, out);
            }
            out.push('}');
        }
    }
    out.push_str(space(choices()));
}

fn quote(text: &str, choices: &mut impl FnMut() -> u8, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if choices().is_multiple_of(3) || character < ' ' {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04X}").unwrap();
            }
        } else if matches!(character, '"' | '\\') {
            out.extend(['\\', character]);
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

fn rendered(json: &Json, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut out = String::new();
    render(json, &mut || choices.next().unwrap_or(1), &mut out);
    out
}

fn all_sorted(text: &str) -> Result<Vec<u8>, Fault> {
    canonical(text.as_bytes(), Limits::default(), sorted)
}

proptest! {
    #[test]
    fn the_same_in_another_order_is_the_same(json in json(), left in vec(any::<u8>(), 1..50), right in vec(any::<u8>(), 1..50)) {
        let (left, right) = (rendered(&json, &left), rendered(&json, &right));
        let form = all_sorted(&left).unwrap();
        prop_assert_eq!(&form, &all_sorted(&right).unwrap());
        let read: serde_json::Value = serde_json::from_slice(&form).unwrap();
        prop_assert_eq!(read, serde_json::from_str::<serde_json::Value>(&left).unwrap());
        prop_assert_eq!(&form, &canonical(&form, Limits::default(), sorted).unwrap());
    }

    #[test]
    fn what_differs_is_different(left in json(), right in json(), choices in vec(any::<u8>(), 1..50)) {
        let forms = (all_sorted(&rendered(&left, &choices)).unwrap(), all_sorted(&rendered(&right, &choices)).unwrap());
        prop_assert_eq!(left == right, forms.0 == forms.1);
    }

    /// A byte changed anywhere is no JSON, or another canonical form, or white space and escapes.
    #[test]
    fn any_change_is_seen(json in json(), choices in vec(any::<u8>(), 1..50), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let text = rendered(&json, &choices);
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let form = all_sorted(&text).unwrap();
        if let Ok(other) = canonical(&changed, Limits::default(), sorted) {
            // serde_json merges numbers, and nothing else that is here.
            let tokens = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
            if other == form {
                prop_assert_eq!(tokens(&changed), tokens(text.as_bytes()));
            }
        }
    }

    /// What is accepted is what another strict reader accepts, names that occur twice aside.
    #[test]
    fn agrees_with_another_reader(text in "[\\[\\]{}:,\"\\\\ua-f0-9.eE+\\- truefalsn]{0,24}") {
        let other = serde_json::from_str::<serde_json::Value>(&text);
        match all_sorted(&text) {
            // An exponent that no f64 holds is a number all the same.
            Ok(_) => prop_assert!(other.is_ok() || text.contains(['e', 'E']), "{text}"),
            Err(Fault::DuplicateName) => prop_assert!(other.is_ok()),
            Err(fault) => prop_assert!(other.is_err(), "{text}: {fault}"),
        }
    }

    #[test]
    fn never_panics(bytes in vec(any::<u8>(), 0..200), max_depth in 0usize..20) {
        let _ = canonical(&bytes, Limits { max_bytes: 150, max_depth }, order);
    }

    #[test]
    fn never_panics_on_pieces(json in json(), choices in vec(any::<u8>(), 1..50), cut in any::<prop::sample::Index>()) {
        let text = rendered(&json, &choices).into_bytes();
        let _ = canonical(&text[..cut.index(text.len())], Limits::default(), order);
    }
}
