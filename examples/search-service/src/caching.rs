//! What is cached, under which keys and which tags: all that has to be decided when a cache is put in front of a search.
//!
//! The search itself always runs. It is quick, and its ids say what the answer is going to be; what is cached is the
//! slow half, fetching the objects and making a page of them. So an answer that gains or loses a document, or has them
//! in another order, has another key by itself. What the ids cannot show is that a document has changed under its id:
//! that is what the tags are for.

use larder::Key;

use crate::{
    engine::Ids,
    service::{PopularRequest, SearchRequest},
};

/// The name of the cache of search answers in the configuration.
pub(crate) const SEARCH: &str = "search";
/// The name of the cache of popular pages in the configuration.
pub(crate) const POPULAR: &str = "popular";

/// Under which name the number of documents found stands beside an answer, to be read without decoding it.
pub(crate) const FOUND: &str = "found";

/// The tag of every popular page: each new document may change the order of all of them.
pub(crate) const POPULAR_TAG: &str = "popular";

/// The key of a search answer: the organisation, the page, the path and its parameters, and the ids in their order.
///
/// Their order is that of the results, so a list, not a set: sorted, two rankings of the same documents would be one
/// answer. The number found is a part because the answer shows it, and a document on page two changes it for page one.
pub(crate) fn answer_key(request: &SearchRequest, ids: &Ids) -> Key {
    Key::new(request.org.as_deref())
        .named("start", request.start)
        .named("size", request.size)
        .named(FOUND, ids.found)
        .part("/search")
        .named("q", &request.q)
        .list(&ids.ids)
}

/// The tags of a search answer: one for each document on it.
pub(crate) fn answer_tags(ids: &Ids) -> impl Iterator<Item = String> {
    ids.ids.iter().map(|id| document_tag(id))
}

/// The tag of everything that shows this document.
pub(crate) fn document_tag(id: &str) -> String {
    format!("doc:{id}")
}

/// The key of a popular page: its criteria, each under its name.
pub(crate) fn popular_key(request: &PopularRequest) -> Key {
    Key::new("popular").named("region", request.region.as_deref()).flag("gaia", request.gaia)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Document, Engine, MAX_ORG, MAX_PATH};

    fn key(org: Option<&str>, q: &str, start: usize, size: usize, found: usize, ids: &[&str]) -> Key {
        let engine = Engine::new(std::iter::empty()).unwrap();
        let org = org.map(str::to_owned);
        let request = SearchRequest::new(&engine, q.to_owned(), org, Some(start), Some(size)).unwrap();
        answer_key(&request, &Ids { found, ids: ids.iter().map(ToString::to_string).collect() })
    }

    #[test]
    fn a_key_can_be_read() {
        // These texts are in people's stores: a change of them is an empty cache after the next deployment.
        assert_eq!(
            key(Some("tokio"), "park", 0, 2, 7, &["tokio/b.rs", "tokio/a.rs"]).text(),
            "tokio:start=#0:size=#2:found=#7:%2Fsearch:q=park:(tokio%2Fb.rs,tokio%2Fa.rs)",
        );
        assert_eq!(key(None, "x", 0, 2, 0, &[]).text(), "~:start=#0:size=#2:found=#0:%2Fsearch:q=x:()");
        let request = PopularRequest { region: Some("us".to_owned()), gaia: true };
        assert_eq!(popular_key(&request).text(), "popular:region=us:gaia=!t");
    }

    #[test]
    fn every_part_makes_another_key() {
        let same = || key(Some("a"), "q", 0, 20, 2, &["a/1", "a/2"]);
        assert_eq!(same(), same());
        for (changed, other) in [
            ("organisation", key(Some("b"), "q", 0, 20, 2, &["a/1", "a/2"])),
            ("no organisation", key(None, "q", 0, 20, 2, &["a/1", "a/2"])),
            ("query", key(Some("a"), "Q", 0, 20, 2, &["a/1", "a/2"])),
            ("start", key(Some("a"), "q", 20, 20, 2, &["a/1", "a/2"])),
            ("size", key(Some("a"), "q", 0, 2, 2, &["a/1", "a/2"])),
            ("number found", key(Some("a"), "q", 0, 20, 3, &["a/1", "a/2"])),
            ("order", key(Some("a"), "q", 0, 20, 2, &["a/2", "a/1"])),
            ("document lost", key(Some("a"), "q", 0, 20, 2, &["a/1"])),
            ("joined otherwise", key(Some("a"), "q", 0, 20, 2, &["a/1,a/2"])),
        ] {
            assert_ne!(same(), other, "{changed}");
        }
        let page = |region: Option<&str>, gaia| {
            popular_key(&PopularRequest { region: region.map(str::to_owned), gaia })
        };
        assert_ne!(page(Some("us-gaia"), false), page(Some("us"), true));
        assert_ne!(page(None, false), page(Some("none"), false));
    }

    #[test]
    fn the_longest_id_fits_into_a_tag() {
        let document = Document::new("o".repeat(MAX_ORG), "p".repeat(MAX_PATH), String::new()).unwrap();
        assert!(document_tag(&document.id()).len() <= 255);
    }
}
