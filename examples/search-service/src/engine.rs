//! The search engine: documents go in, ids come out in order, and ids become the objects that an answer is made of.
//! It is what a cache is put in front of, and it knows nothing of one.

mod documents;
mod index;
mod passages;
mod popular;
mod query;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::documents::MAX_PATH;
pub(crate) use self::{
    documents::{Document, MAX_ORG, MAX_TEXT, is_org},
    index::{Engine, Ids},
    passages::Passage,
    popular::Crate,
    query::{Query, Refused},
};
