//! What people type, as something the index can be asked.
//!
//! Words are joined by "and", `"quoted words"` stand next to each other, and `-word` must not be there. A word is split
//! as the index splits source: `std::fmt` is `std` followed by `fmt`. The engine's own query language is not used, since
//! it takes half of what is typed into a code search (`std::fmt`, `Vec<u8>`, `&[T]`) for its operators.

use std::fmt;

use tantivy::{
    Term,
    query::{AllQuery, BooleanQuery, BoostQuery, EmptyQuery, Occur, PhraseQuery, TermQuery},
    schema::{Field, IndexRecordOption},
    tokenizer::TextAnalyzer,
};

/// The longest query, in bytes.
pub(crate) const MAX_QUERY: usize = 200;

/// How much more a word in a document's path says about it than the same word in its text.
const PATH_BOOST: f32 = 2.0;

/// A query, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    clauses: Vec<Clause>,
}

/// One word, or several that stand next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    /// As the index has them; none if the index holds no such word.
    tokens: Vec<String>,
    excluded: bool,
}

/// Why something typed is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is longer than 200 bytes.
    TooLong,
    /// There is no word in it that a document could have.
    NoWord,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "q must have at most {MAX_QUERY} bytes"),
            Self::NoWord => f.write_str("q must have at least one word to look for"),
        }
    }
}

impl std::error::Error for Refused {}

impl Query {
    /// Takes apart what was typed.
    pub(crate) fn parse(text: &str, analyzer: &mut TextAnalyzer) -> Result<Self, Refused> {
        if text.len() > MAX_QUERY {
            return Err(Refused::TooLong);
        }
        let mut clauses: Vec<Clause> = Vec::new();
        for (words, excluded) in pieces(text) {
            if !words.contains(char::is_alphanumeric) {
                continue;
            }
            let mut tokens = Vec::new();
            analyzer.token_stream(words).process(&mut |token| tokens.push(token.text.clone()));
            let clause = Clause { tokens, excluded };
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
        if clauses.iter().all(|clause| clause.excluded) {
            return Err(Refused::NoWord);
        }
        Ok(Self { clauses })
    }

    /// The words to be found, each with those that must follow it.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &[String]> {
        self.clauses.iter().filter(|clause| !clause.excluded).map(|clause| &*clause.tokens)
    }

    /// The same for the index, where the words may stand in either field.
    pub(super) fn for_index(&self, text: Field, path: Field) -> BooleanQuery {
        let clauses = self.clauses.iter().map(|clause| {
            let in_text = adjacent(text, &clause.tokens);
            let in_path = BoostQuery::new(adjacent(path, &clause.tokens), PATH_BOOST);
            let either = BooleanQuery::new(vec![
                (Occur::Should, in_text),
                (Occur::Should, Box::new(in_path) as Box<dyn tantivy::query::Query>),
            ]);
            let occur = if clause.excluded { Occur::MustNot } else { Occur::Must };
            (occur, Box::new(either) as Box<dyn tantivy::query::Query>)
        });
        BooleanQuery::new(clauses.collect())
    }
}

/// These tokens, one after the other.
pub(super) fn adjacent(field: Field, tokens: &[String]) -> Box<dyn tantivy::query::Query> {
    let term = |token: &String| Term::from_field_text(field, token);
    match tokens {
        [] => Box::new(EmptyQuery),
        [token] => Box::new(TermQuery::new(term(token), IndexRecordOption::WithFreqs)),
        tokens => Box::new(PhraseQuery::new(tokens.iter().map(term).collect())),
    }
}

/// Exactly this text in a field that is not split into words.
pub(super) fn exactly(field: Field, text: &str) -> Box<dyn tantivy::query::Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

/// Both, or the first alone.
pub(super) fn within(
    query: impl tantivy::query::Query,
    restriction: Option<Box<dyn tantivy::query::Query>>,
) -> Box<dyn tantivy::query::Query> {
    match restriction {
        None => Box::new(query),
        // The restriction says which documents count, and nothing about how good they are.
        Some(restriction) => Box::new(BooleanQuery::new(vec![
            (Occur::Must, Box::new(query) as Box<dyn tantivy::query::Query>),
            (Occur::Must, Box::new(BoostQuery::new(restriction, 0.0))),
        ])),
    }
}

/// Every document.
pub(super) fn all() -> AllQuery {
    AllQuery
}

/// Splits at spaces outside quotes; `true` for what begins with a minus. A quote that is not closed ends with the text.
fn pieces(text: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (excluded, body) = match rest.strip_prefix('-') {
            Some(body) => (true, body),
            None => (false, rest),
        };
        let (piece, after) = match body.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => body.split_at(body.find(char::is_whitespace).unwrap_or(body.len())),
        };
        pieces.push((piece, excluded));
        rest = after.trim_start();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_minus_and_spaces() {
        assert_eq!(
            pieces("  async  \"fn poll\" -test -\"a b\"c \"open"),
            [
                ("async", false),
                ("fn poll", false),
                ("test", true),
                ("a b", true),
                ("c", false),
                ("open", false)
            ],
        );
        assert_eq!(pieces("- -- \"\""), [("", true), ("-", true), ("", false)]);
        assert_eq!(pieces(" \t"), []);
    }
}
