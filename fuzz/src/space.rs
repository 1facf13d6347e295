//! Arbitrary namespaces.

use arbitrary::Arbitrary;
use larder_core::key::Namespace;

use crate::Text;

/// The path and the schema of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Arbitrary)]
pub struct Space {
    segments: Vec<Text>,
    schema: u32,
}

impl Space {
    /// The path and the schema as they are given to [`Namespace::new`].
    pub fn path(&self) -> String {
        let segments: Vec<&str> = self.segments.iter().map(Text::as_str).collect();
        segments.join("/")
    }

    /// The schema.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The namespace; one that is refused stands for `n`.
    pub fn namespace(&self) -> Namespace {
        Namespace::new(&self.path(), self.schema)
            .or_else(|_| Namespace::new("n", self.schema))
            .expect("the path `n` is one")
    }
}
