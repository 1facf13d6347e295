//! The engine as the service uses it.

use super::*;

fn document(org: &str, path: &str, text: &str) -> Document {
    Document::new(org.to_owned(), path.to_owned(), text.to_owned()).unwrap()
}

fn engine(documents: &[(&str, &str, &str)]) -> Engine {
    Engine::new(documents.iter().map(|(org, path, text)| document(org, path, text))).unwrap()
}

fn ids(engine: &Engine, q: &str) -> Vec<String> {
    engine.find(&engine.parse(q).unwrap(), None, 0, 20).unwrap().ids
}

fn shelf() -> Engine {
    engine(&[
        ("alpha", "src/lib.rs", "use beta_core::Thing;\npub fn spawn(task: Vec<u8>) {}\n"),
        ("alpha", "src/spawn.rs", "// nothing but its name\n"),
        ("beta-core", "src/lib.rs", "#![no_std]\npub struct Thing;\nimpl std::fmt::Debug for Thing {}\n"),
        ("gamma", "src/lib.rs", "use beta_core::Thing;\nuse alpha::spawn;\nfn fmt() {} // std\n"),
    ])
}

#[test]
fn all_words_must_be_there() {
    let engine = shelf();
    assert_eq!(ids(&engine, "use Thing"), ["gamma/src/lib.rs", "alpha/src/lib.rs"], "the first has it twice");
    assert_eq!(ids(&engine, "use thing spawn -task"), ["gamma/src/lib.rs"]);
    assert_eq!(ids(&engine, "Vec<u8>"), ["alpha/src/lib.rs"]);
    assert_eq!(ids(&engine, "absent use"), [""; 0]);
}

#[test]
fn what_is_written_together_is_found_together() {
    let engine = shelf();
    // Both have the two words; only one has them beside each other.
    assert_eq!(ids(&engine, "std::fmt"), ["beta-core/src/lib.rs"]);
    assert_eq!(ids(&engine, "\"struct thing\""), ["beta-core/src/lib.rs"]);
    assert_eq!(ids(&engine, "\"thing struct\""), [""; 0]);
}

#[test]
fn a_name_counts_more_than_a_mention() {
    assert_eq!(ids(&shelf(), "spawn")[0], "alpha/src/spawn.rs");
}

#[test]
fn operators_of_other_query_languages_are_only_characters() {
    let engine = shelf();
    for odd in [
        "text:use",
        "use AND thing",
        "(use",
        "use*",
        "[a TO z]",
        "/.*/ use",
        "use~2",
        "use^9",
        "\"use",
        "{use}",
        "\\use",
        "use\0",
    ] {
        // It may find something or not; it neither fails nor means anything special.
        engine.find(&engine.parse(odd).unwrap(), None, 0, 5).unwrap();
    }
    assert_eq!(ids(&engine, "text:use"), [""; 0]);
}

#[test]
fn what_has_no_word_is_refused() {
    let engine = shelf();
    for none in ["", "  ", "-> ::", "\"\"", "-use", "-use -\"a b\""] {
        assert_eq!(engine.parse(none), Err(Refused::NoWord), "{none}");
    }
    assert_eq!(engine.parse(&"x".repeat(201)), Err(Refused::TooLong));
    engine.parse(&"x ".repeat(100)).unwrap();
}

#[test]
fn pages_follow_each_other_without_gap_and_in_the_same_order_everywhere() {
    // All alike, so that nothing but the ids can order them.
    let alike: Vec<Document> =
        (0..50).map(|n| document("org", &format!("{n:02}.rs"), "same words")).collect();
    let one = Engine::new(alike.iter().cloned()).unwrap();
    let other = Engine::new(alike.iter().rev().cloned()).unwrap();
    let all: Vec<String> = (0..50).map(|n| format!("org/{n:02}.rs")).collect();
    for engine in [one, other] {
        let query = engine.parse("same").unwrap();
        let pages: Vec<Ids> = (0..6).map(|page| engine.find(&query, None, page * 10, 10).unwrap()).collect();
        assert!(pages.iter().all(|page| page.found == 50));
        assert_eq!(pages.iter().flat_map(|page| page.ids.clone()).collect::<Vec<_>>(), all);
        assert_eq!(pages[5].ids.len(), 0);
    }
}

#[test]
fn an_organisation_is_a_filter_and_no_word() {
    let engine = shelf();
    let query = engine.parse("use").unwrap();
    let found = |org| engine.find(&query, Some(org), 0, 9).unwrap();
    assert_eq!(found("gamma"), Ids { found: 1, ids: vec!["gamma/src/lib.rs".to_owned()] });
    assert_eq!(found("beta").found, 0, "the beginning of a name is no name");
    assert_eq!(found("GAMMA").found, 0);
}

#[test]
fn a_document_that_is_put_is_found_at_once_and_replaces() {
    let engine = shelf();
    assert!(!engine.put(&document("delta", "new.rs", "entirely new")).unwrap());
    assert_eq!(ids(&engine, "entirely"), ["delta/new.rs"]);
    assert!(engine.put(&document("delta", "new.rs", "not so any more")).unwrap());
    assert_eq!(ids(&engine, "entirely"), [""; 0]);
    assert_eq!(ids(&engine, "\"any more\""), ["delta/new.rs"]);
    assert_eq!(engine.len(), 5);
    // The same path of another organisation is another document.
    assert!(!engine.put(&document("delta2", "new.rs", "any more")).unwrap());
}

#[test]
fn documents_are_fetched_as_they_are_now() {
    let engine = shelf();
    let before = ids(&engine, "use");
    engine.put(&document("gamma", "src/lib.rs", "rewritten")).unwrap();
    // The ids were found before; an answer that is made of them now must not have the old text.
    let documents = engine.documents(&before).unwrap();
    assert_eq!(documents.iter().map(Document::id).collect::<Vec<_>>(), before);
    assert_eq!(documents[0].text(), "rewritten");
    assert_eq!(engine.documents(&["no/such".to_owned()]).unwrap(), []);
}

#[test]
fn popular_is_what_others_use() {
    let engine = shelf();
    let names = |by, gaia| {
        let popular = engine.popular(by, gaia, 10).unwrap();
        popular.into_iter().map(|found| (found.org, found.used_by)).collect::<Vec<_>>()
    };
    let both = vec![("beta-core".to_owned(), 2), ("alpha".to_owned(), 1)];
    assert_eq!(names(None, false), both);
    assert_eq!(names(Some("gamma"), false), [("alpha".to_owned(), 1), ("beta-core".to_owned(), 1)]);
    assert_eq!(names(None, true), both[..1]);
    assert_eq!(engine.popular(None, false, 1).unwrap().len(), 1);
    assert_eq!(engine.orgs().unwrap(), ["alpha", "beta-core", "gamma"]);
    assert!(engine.has_org("gamma").unwrap() && !engine.has_org("us").unwrap());
}

/// The passages as text, with what is marked in brackets.
fn shown(text: &str, q: &str) -> Vec<(usize, Vec<String>)> {
    let engine = engine(&[]);
    let passages = engine.passages(&document("o", "p", text), &engine.parse(q).unwrap());
    let line = |pieces: &Vec<String>| {
        let piece =
            |(n, piece): (usize, &String)| if n % 2 == 1 { format!("[{piece}]") } else { piece.clone() };
        pieces.iter().enumerate().map(piece).collect()
    };
    passages.iter().map(|passage| (passage.line, passage.lines.iter().map(line).collect())).collect()
}

#[test]
fn words_are_marked_where_they_stand() {
    assert_eq!(
        shown("a\nuse std::fmt;\nfn fmt()\n", "std::fmt use"),
        [(1, vec!["a".to_owned(), "[use] [std::fmt];".to_owned(), "fn fmt()".to_owned()])],
    );
    // Overlapping, repeated, and not ASCII.
    assert_eq!(shown("a b a b ä ü", "\"a b\" b"), [(1, vec!["[a b] [a b] ä ü".to_owned()])]);
    assert_eq!(shown("a b c", "\"a b\" \"b c\""), [(1, vec!["[a b c]".to_owned()])]);
    assert_eq!(shown("über ÜBER", "über"), [(1, vec!["[über] [ÜBER]".to_owned()])]);
    assert_eq!(shown("a a b", "\"a b\""), [(1, vec!["a [a b]".to_owned()])]);
}

#[test]
fn the_best_lines_are_shown_in_the_order_of_the_text() {
    let mut lines = vec!["-"; 100];
    lines[10] = "one";
    lines[50] = "one two";
    lines[80] = "two";
    lines[95] = "one";
    let text = lines.join("\r\n");
    let shown = shown(&text, "one two");
    assert_eq!(shown.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [9, 49, 79]);
    assert_eq!(shown[1].1, ["-", "-", "[one] [two]", "-", "-"]);
}

#[test]
fn a_text_without_the_words_shows_its_beginning() {
    assert_eq!(shown("", "x"), [(1, vec![String::new()])]);
    assert_eq!(
        shown("one\ntwo\nthree\nfour", "x"),
        [(1, vec!["one".to_owned(), "two".to_owned(), "three".to_owned()])]
    );
}

#[test]
fn very_long_lines_are_cut_between_characters() {
    let text = format!("needle {} needle", "ä".repeat(500));
    let line = &shown(&text, "needle")[0].1[0];
    assert_eq!(line.chars().count(), 160 + 2);
    assert!(line.starts_with("[needle] ä"));
}

#[test]
fn documents_have_bounds() {
    let new = |org: &str, path: &str, len| {
        Document::new(org.to_owned(), path.to_owned(), "x".repeat(len)).map(|_| ())
    };
    new("a-b_c.d", "src/lib.rs", MAX_TEXT).unwrap();
    for (org, path, len) in [
        ("", "p", 0),
        ("a/b", "p", 0),
        ("ä", "p", 0),
        (&*"o".repeat(65), "p", 0),
        ("o", "", 0),
        ("o", "a\nb", 0),
        ("o", &*"p".repeat(181), 0),
        ("o", "p", MAX_TEXT + 1),
    ] {
        new(org, path, len).unwrap_err();
    }
}
