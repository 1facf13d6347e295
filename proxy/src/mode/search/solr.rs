//! Mode `search-solr`: what a request to Solr is. All else is as in front of the other engines.

use std::sync::Arc;

use larder_http::{
    caching::cache_status::Forward,
    solr::{Commit, Endpoint, classify},
};

use super::{
    super::{Answered, Asked},
    Shared, write,
};

/// Answers a request.
pub(super) async fn answer(search: &Arc<Shared>, asked: Asked) -> Answered {
    let path = &asked.target.path;
    match classify(asked.parts.method.as_str(), path.path(), path.query()) {
        Endpoint::Read { .. } => search.read(asked).await,
        Endpoint::Write { targets, commit } => {
            let seen = match commit {
                Commit::BeforeAnswer => write::Seen::BeforeAnswer,
                Commit::Within(within) => write::Seen::Within(within.min(write::LINGERS)),
                Commit::Later => write::Seen::Later,
            };
            write::answer(search, asked, write::What::Solr { targets, seen }).await
        }
        _ => search.pass(asked, Forward::Bypass, "neither a read nor a write").await,
    }
}
