//! Query strings and forms: names and values, decoded, in their order.

use std::borrow::Cow;

use crate::percent::decode_form;

/// The most parameters that are looked at.
const MAX_PARAMETERS: usize = 128;

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Reads a query string or a form. Nothing where an escape is broken, something is not UTF-8, or there are too many.
pub(crate) fn parse(query: &str) -> Option<Parameters<'_>> {
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if parameters.len() == MAX_PARAMETERS {
            return None;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.push((decode_form(name)?, decode_form(value)?));
    }
    Some(Parameters(parameters))
}

impl Parameters<'_> {
    /// The last value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// All values of that name.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| &**value)
    }
}
