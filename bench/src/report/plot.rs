//! The page's plots.
