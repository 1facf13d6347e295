//! Which crates are popular: those that the most documents use. It takes a search for every organisation there is,
//! which is what makes such a page expensive.

use serde::{Deserialize, Serialize};
use tantivy::{
    collector::Count,
    query::{BooleanQuery, Occur, Query},
};

use super::{
    Engine,
    query::{adjacent, all, exactly, within},
};

/// A crate and how popular it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Crate {
    /// Its name.
    pub(crate) org: String,
    /// How many documents of others have a `use` of it.
    pub(crate) used_by: usize,
}

impl Engine {
    /// The crates that the most documents of `by`, or of everybody, use; best first, equally good ones by name.
    /// `without_std` leaves only those that declare `no_std` in a `lib.rs`.
    pub(crate) fn popular(
        &self,
        by: Option<&str>,
        without_std: bool,
        size: usize,
    ) -> tantivy::Result<Vec<Crate>> {
        let searcher = self.searcher();
        let mut popular = Vec::new();
        for org in self.orgs()? {
            let others = BooleanQuery::new(vec![
                (
                    Occur::Must,
                    by.map_or_else(|| Box::new(all()) as Box<dyn Query>, |by| exactly(self.fields.org, by)),
                ),
                (Occur::MustNot, exactly(self.fields.org, &org)),
            ]);
            let uses = format!("use {}", org.replace('-', "_"));
            let query = within(others, Some(adjacent(self.fields.text, &self.tokens(&uses))));
            let used_by = searcher.search(&query, &Count)?;
            if used_by > 0 {
                popular.push(Crate { org, used_by });
            }
        }
        popular.sort_by(|a, b| b.used_by.cmp(&a.used_by).then_with(|| a.org.cmp(&b.org)));

        let mut chosen = Vec::with_capacity(size);
        for candidate in popular {
            if chosen.len() == size {
                break;
            }
            if !without_std || self.is_without_std(&candidate.org)? {
                chosen.push(candidate);
            }
        }
        Ok(chosen)
    }

    /// Whether there is such an organisation.
    pub(crate) fn has_org(&self, org: &str) -> tantivy::Result<bool> {
        Ok(self.searcher().search(&exactly(self.fields.org, org), &Count)? > 0)
    }

    /// The names of all organisations, sorted.
    pub(crate) fn orgs(&self) -> tantivy::Result<Vec<String>> {
        let mut orgs = Vec::new();
        for segment in self.searcher().segment_readers() {
            let index = segment.inverted_index(self.fields.org)?;
            let mut terms = index.terms().stream()?;
            while terms.advance() {
                orgs.push(String::from_utf8_lossy(terms.key()).into_owned());
            }
        }
        orgs.sort_unstable();
        orgs.dedup();
        Ok(orgs)
    }

    fn is_without_std(&self, org: &str) -> tantivy::Result<bool> {
        let query = BooleanQuery::new(vec![
            (Occur::Must, exactly(self.fields.org, org)),
            (Occur::Must, adjacent(self.fields.path, &self.tokens("lib.rs"))),
            (Occur::Must, adjacent(self.fields.text, &self.tokens("no_std"))),
        ]);
        Ok(self.searcher().search(&query, &Count)? > 0)
    }

    /// Words as the index has them.
    fn tokens(&self, words: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        self.analyzer().token_stream(words).process(&mut |token| tokens.push(token.text.clone()));
        tokens
    }
}
