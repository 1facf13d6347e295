//! `cargo xtask search-memory`: what `larder-proxy` takes for connections that do nothing, and for uploads that are slow
//! (`integration-tests/search/memory.py`).

use std::path::Path;

use super::{proxy, script};
use crate::{Outcome, metadata::Metadata, shell};

/// Measures. The last line is `idle connections: N KiB each; slow uploads: from A MiB to B MiB`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let proxy = proxy(&Metadata::of_workspace()?.target_directory())?;
    shell::run(script(Path::new("python3"), "memory.py", &proxy).args(arguments))
}
