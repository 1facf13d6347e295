//! The suite over the plainest store there is, and over the same with tokens of its own, which say nothing of the entries.

use larder_conformance::{ReferenceBackend, Store, Suite};

fn main() -> std::process::ExitCode {
    Suite::main_of([
        Suite::new("reference", |clock| Store::new(ReferenceBackend::new(clock))),
        Suite::new("own tokens", |clock| Store::new(ReferenceBackend::new(clock).with_own_tokens())),
    ])
}
