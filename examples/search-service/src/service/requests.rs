//! What can be asked, within bounds.

use crate::engine::{Engine, MAX_ORG, Query, is_org};

use super::Failure;

/// How many results a page has when nothing is said.
pub(crate) const DEFAULT_SIZE: usize = 20;
/// The most results on a page. Each is a tag of the answer, and 64 tags are allowed.
pub(crate) const MAX_SIZE: usize = 50;
/// The last result a page may begin with: nobody turns a hundred pages, and the engine sorts all before it.
pub(crate) const MAX_START: usize = 2000;

/// A search.
#[derive(Debug, Clone)]
pub(crate) struct SearchRequest {
    /// As it was typed.
    pub(crate) q: String,
    /// Taken apart.
    pub(crate) query: Query,
    /// Whose documents are searched; none for everybody's.
    pub(crate) org: Option<String>,
    /// The first result of the page, counted from 0.
    pub(crate) start: usize,
    /// The most results on the page.
    pub(crate) size: usize,
}

impl SearchRequest {
    /// A search, if it can be answered.
    pub(crate) fn new(
        engine: &Engine,
        q: String,
        org: Option<String>,
        start: Option<usize>,
        size: Option<usize>,
    ) -> Result<Self, Failure> {
        let query = engine.parse(&q).map_err(Failure::refused)?;
        let org = name(org, "org")?;
        let start = start.unwrap_or(0);
        if start > MAX_START {
            return Err(Failure::Refused(format!("start must be at most {MAX_START}")));
        }
        let size = size.unwrap_or(DEFAULT_SIZE);
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Failure::Refused(format!("size must be from 1 to {MAX_SIZE}")));
        }
        Ok(Self { q, query, org, start, size })
    }
}

/// A page of what is popular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PopularRequest {
    /// The crate whose sources say what is popular. With none, or one that there is not, all do.
    pub(crate) region: Option<String>,
    /// Only what can do without the standard library, as a small device needs it.
    pub(crate) gaia: bool,
}

impl PopularRequest {
    /// A page, if these can be criteria.
    pub(crate) fn new(region: Option<String>, gaia: Option<&str>) -> Result<Self, Failure> {
        let gaia = match gaia {
            None | Some("" | "false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => return Err(Failure::refused("gaia must be true or false")),
        };
        Ok(Self { region: name(region, "region")?, gaia })
    }
}

/// A name that may be left out.
fn name(given: Option<String>, parameter: &str) -> Result<Option<String>, Failure> {
    match given {
        None => Ok(None),
        Some(name) if name.is_empty() => Ok(None),
        Some(name) if is_org(&name) => Ok(Some(name)),
        Some(_) => Err(Failure::Refused(format!(
            "{parameter} must have at most {MAX_ORG} of the characters A-Z a-z 0-9 - _ ."
        ))),
    }
}
