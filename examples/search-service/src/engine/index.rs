//! The index: in memory, searched by many, written by one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tantivy::{
    DocAddress, Index, IndexReader, IndexWriter, Order, ReloadPolicy, Searcher, TantivyDocument, Term,
    collector::{
        Count, TopDocs,
        sort_key::{SortBySimilarityScore, SortByString},
    },
    doc,
    schema::{FAST, Field, STORED, STRING, Schema, TEXT, Value as _},
    tokenizer::TextAnalyzer,
};

use super::{
    Document, Passage, Query, Refused, passages,
    query::{exactly, within},
};

/// What the writer may collect, in bytes, before it makes a segment of it.
const WRITER_MEMORY: usize = 96 * 1024 * 1024;

/// The index and everything that works on it. All of it computes and none of it waits, so it belongs on a thread that
/// may be kept busy.
pub(crate) struct Engine {
    pub(super) fields: Fields,
    reader: IndexReader,
    writer: Mutex<IndexWriter>,
    analyzer: TextAnalyzer,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) org: Field,
    pub(super) path: Field,
    pub(super) text: Field,
}

/// What a query finds: how many documents, and the ids of those on the page that was asked for, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    /// How many documents there are on all pages.
    pub(crate) found: usize,
    /// The ids on this page.
    pub(crate) ids: Vec<String>,
}

impl Engine {
    /// An index of these documents, whose ids must differ.
    pub(crate) fn new(documents: impl Iterator<Item = Document>) -> tantivy::Result<Self> {
        let mut schema = Schema::builder();
        let fields = Fields {
            id: schema.add_text_field("id", STRING | FAST),
            org: schema.add_text_field("org", STRING | STORED),
            path: schema.add_text_field("path", TEXT | STORED),
            text: schema.add_text_field("text", TEXT | STORED),
        };
        let index = Index::create_in_ram(schema.build());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let analyzer = index.tokenizer_for_field(fields.text)?;
        let mut writer = index.writer(WRITER_MEMORY)?;
        for document in documents {
            writer.add_document(fields.stored(&document))?;
        }
        writer.commit()?;
        let engine = Self { fields, reader, writer: Mutex::new(writer), analyzer };
        engine.reader.reload()?;
        Ok(engine)
    }

    /// Takes apart what somebody typed.
    pub(crate) fn parse(&self, text: &str) -> Result<Query, Refused> {
        Query::parse(text, &mut self.analyzer())
    }

    /// The ids that a query finds: those from number `start` on, `size` of them at most. Documents that are equally
    /// good are in the order of their ids, so that every process that has the same documents gives the same page.
    pub(crate) fn find(
        &self,
        query: &Query,
        org: Option<&str>,
        start: usize,
        size: usize,
    ) -> tantivy::Result<Ids> {
        let query = query.for_index(self.fields.text, self.fields.path);
        let query = within(query, org.map(|org| exactly(self.fields.org, org)));
        let best = TopDocs::with_limit(size)
            .and_offset(start)
            .order_by(((SortBySimilarityScore, Order::Desc), (SortByString::for_field("id"), Order::Asc)));
        let (found, page) = self.searcher().search(&query, &(Count, best))?;
        Ok(Ids { found, ids: page.into_iter().filter_map(|((_, id), _)| id).collect() })
    }

    /// The documents with these ids, in this order, as they are now; those that are gone are left out.
    pub(crate) fn documents<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a String>,
    ) -> tantivy::Result<Vec<Document>> {
        let searcher = self.searcher();
        let mut documents = Vec::new();
        for id in ids {
            if let Some(address) = self.address(&searcher, id)? {
                documents.extend(self.fields.document(&searcher.doc(address)?));
            }
        }
        Ok(documents)
    }

    /// The lines of a document that are worth showing to whoever asked this.
    pub(crate) fn passages(&self, document: &Document, query: &Query) -> Vec<Passage> {
        passages::passages(document.text(), query, &mut self.analyzer())
    }

    /// Adds a document, or replaces the one with its id: `true` if there was one. It is found from then on.
    pub(crate) fn put(&self, document: &Document) -> tantivy::Result<bool> {
        let mut writer = self.writer();
        let id = document.id();
        let replaced = self.address(&self.searcher(), &id)?.is_some();
        writer.delete_term(Term::from_field_text(self.fields.id, &id));
        let written = writer.add_document(self.fields.stored(document)).and_then(|_| writer.commit());
        if let Err(why) = written {
            // What is half done must not come along with the next document.
            writer.rollback()?;
            return Err(why);
        }
        self.reader.reload()?;
        Ok(replaced)
    }

    /// How many documents there are.
    pub(crate) fn len(&self) -> u64 {
        self.searcher().num_docs()
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// Analyzers have a buffer of their own, so everybody needs one.
    pub(super) fn analyzer(&self) -> TextAnalyzer {
        self.analyzer.clone()
    }

    fn address(&self, searcher: &Searcher, id: &str) -> tantivy::Result<Option<DocAddress>> {
        let one = TopDocs::with_limit(1).order_by_score();
        let found = searcher.search(&exactly(self.fields.id, id), &one)?;
        Ok(found.first().map(|(_, address)| *address))
    }

    fn writer(&self) -> MutexGuard<'_, IndexWriter> {
        // A writer that panicked between two operations has its own state; ours is only the reference to it.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fields {
    fn stored(self, document: &Document) -> TantivyDocument {
        doc!(
            self.id => document.id(),
            self.org => document.org(),
            self.path => document.path(),
            self.text => document.text(),
        )
    }

    fn document(self, stored: &TantivyDocument) -> Option<Document> {
        let text = |field| Some(stored.get_first(field)?.as_str()?.to_owned());
        Document::new(text(self.org)?, text(self.path)?, text(self.text)?).ok()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("documents", &self.len()).finish_non_exhaustive()
    }
}
