//! What is done with results: tables, a file that is kept, and the page with plots.

pub(crate) mod machine;
pub(crate) mod page;
pub(crate) mod plot;
pub(crate) mod results;
pub(crate) mod table;
