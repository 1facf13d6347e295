//! What is cached here: some 900 bytes as MessagePack, with the kinds of fields that a page has.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Article {
    id: u64,
    title: String,
    authors: Vec<String>,
    text: String,
    price: Option<f64>,
    ratings: Vec<u32>,
    public: bool,
}

impl Article {
    /// Articles of all numbers below 65 536 have the same length, as text and encoded.
    pub(crate) fn new(number: u16) -> Self {
        Self {
            id: 1 << 40 | u64::from(number),
            title: format!("An article with the number {number:05}"),
            authors: (0..3).map(|author| format!("Author {author} of {number:05}")).collect(),
            text: "It says what it has to say, and it says it in sentences. ".repeat(12),
            price: Some(1.99),
            ratings: (0..20).map(|stars| stars * 37 % 101).collect(),
            public: true,
        }
    }
}
