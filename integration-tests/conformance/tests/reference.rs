//! The suite over the plainest store there is.

use larder_conformance::{ReferenceBackend, Store, Suite};

fn main() -> std::process::ExitCode {
    Suite::new("reference", |clock| Store::new(ReferenceBackend::new(clock))).main()
}
