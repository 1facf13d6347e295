//! SHA-256 over fields that cannot run into each other.

use sha2::{Digest as _, Sha256};

/// The version of everything that goes into a digest. It is raised with each change of a canonical form or of a key's fields, so
/// that what another version stored is not found.
pub const VERSION: u8 = 1;

/// A digest over fields, each with its tag and its length before it, under a version and a domain: digests of different
/// domains are never alike.
///
/// ```
/// # use larder_http::canonical::Digester;
/// let digest = |parts: &[&str]| {
///     let mut digester = Digester::new("example");
///     parts.iter().for_each(|part| digester.field(1, part.as_bytes()));
///     digester.finish()
/// };
/// assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
/// ```
#[derive(Debug, Clone)]
pub struct Digester(Sha256);

impl Digester {
    /// Begins a digest.
    pub fn new(domain: &str) -> Self {
        let mut digester = Self(Sha256::new_with_prefix(b"larder-http"));
        digester.field(VERSION, domain.as_bytes());
        digester
    }

    /// Adds a field. The tag says which it is.
    pub fn field(&mut self, tag: u8, bytes: &[u8]) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.update(head);
        self.0.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
