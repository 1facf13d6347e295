//! What must not share an answer does not.

// Clippy's exception for tests does not reach the functions beside them.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use common::{STORED, Service, Sources};

#[test]
fn variations_never_share_an_answer() {
    let sources = Sources::new(&[
        ("alpha/one.rs", "common words in one"),
        ("alpha/two.rs", "common words in two"),
        ("beta/one.rs", "common words in one"),
    ]);
    let service = Service::start(&sources, &[]);
    let variations = [
        "/search?q=common",
        // The same documents are found, and another thing was asked.
        "/search?q=Common",
        "/search?q=words",
        "/search?q=common+words",
        "/search?q=words+common",
        "/search?q=%22common+words%22",
        "/search?q=common&org=alpha",
        "/search?q=common&org=beta",
        // There is nobody of this name, nor of that.
        "/search?q=common&org=gamma",
        "/search?q=common&org=Alpha",
        "/search?q=common&start=1",
        "/search?q=common&start=2",
        // Pages that nobody is on, each of its own.
        "/search?q=common&start=3",
        "/search?q=common&start=4",
        "/search?q=common&size=1",
        "/search?q=common&size=2",
        "/search?q=absent",
        "/search?q=missing",
        // What would be joined with a separator elsewhere.
        "/search?q=common%3Astart%3D%231",
        "/search?q=common%26start%3D1",
        "/search?q=common%00",
    ];
    let mut answers = Vec::new();
    for path in variations {
        let answer = service.get(path);
        assert_eq!(answer.cache_status(), STORED, "{path}");
        assert!(!answers.contains(&answer.body), "{path}");
        answers.push(answer.body);
    }
    for (path, body) in variations.iter().zip(answers) {
        let again = service.get(path);
        assert!(again.is_hit(), "{path}");
        assert_eq!(again.body, body, "{path}");
    }
}

#[test]
fn what_says_nothing_makes_no_difference() {
    let service = Service::start(&Sources::some(), &[]);
    service.get("/search?q=task");
    for same in [
        "/search?q=task&org=",
        "/search?start=0&q=task",
        "/search?q=task&size=20",
        "/search?q=task&utm_source=x",
        "/search?q=%74ask",
    ] {
        assert!(service.get(same).is_hit(), "{same}");
    }
}

/// The same documents in another order are another answer. Chef's key had the ids sorted: after a change of the
/// ranking, the old page was served until its time was over.
#[test]
fn ids_in_another_order_are_another_answer() {
    let sources = Sources::new(&[
        ("mine/a.rs", "rare rare rare rare known"),
        ("mine/b.rs", "rare known known known known"),
        ("other/1.rs", "known things"),
        ("other/2.rs", "known things"),
        ("other/3.rs", "known things"),
    ]);
    let service = Service::start(&sources, &[]);
    let path = "/search?q=rare+known&org=mine";
    let before = service.get(path);
    assert_eq!(before.ids(), ["mine/a.rs", "mine/b.rs"]);
    assert!(service.get(path).is_hit());

    // Neither document changes, none is added to those that are found; only, what was rare is now common.
    for n in 0..12 {
        service.put("other", &format!("more-{n}.rs"), "rare things");
    }
    let after = service.get(path);
    assert_eq!(after.ids(), ["mine/b.rs", "mine/a.rs"]);
    assert_eq!(after.cache_status(), STORED);
    assert_eq!((&before.json()["found"], &after.json()["found"]), (&2.into(), &2.into()));
}

/// The number found is shown on the page, and changes without a document of the page being touched.
#[test]
fn another_number_found_is_another_answer() {
    let service = Service::start(&Sources::new(&[("a/1.rs", "word word word"), ("a/2.rs", "word")]), &[]);
    let path = "/search?q=word&size=1";
    assert_eq!(service.get(path).json()["found"], 2);
    assert!(service.get(path).is_hit());
    service.put("a", "3.rs", "word, and so much else that it comes last by far");
    let after = service.get(path);
    assert_eq!((after.cache_status(), after.ids()), (STORED, vec!["a/1.rs".to_owned()]));
    assert_eq!(after.json()["found"], 3);
}
