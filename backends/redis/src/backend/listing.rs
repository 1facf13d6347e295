//! What is for people and tools: the keys of a namespace, and what the server is.

use async_trait::async_trait;
use larder_core::{
    Result,
    backend::{Listed, Listing},
    error::Operation,
    key::{COUNTER_SUFFIX, Namespace},
};
use tokio::time::Instant;

use super::RedisBackend;
use crate::{
    commands,
    resp::{Reply, Request},
};

/// `SCAN`, within a script so that its reply is one text: `SCAN` replies with a list in a list.
#[async_trait]
impl Listing for RedisBackend {
    async fn list(&self, namespace: &Namespace, from: u64, until: Option<Instant>) -> Result<Listed> {
        let prefix = format!("{namespace}:");
        let reply = self.run(Operation::Get, until, |name| commands::list(name, &prefix, from)).await?;
        let Reply::Value(bytes) = reply else { return Err(self.unexpected(Operation::Get, &reply)) };
        // A key that is no text is none of ours.
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        let Some(next) = lines.next().and_then(|line| line.parse::<u64>().ok()) else {
            return Err(self.connections.nonsense(Operation::Get));
        };
        let is_entry = |key: &&str| key.starts_with(&prefix) && !key.ends_with(COUNTER_SUFFIX);
        Ok(Listed {
            keys: lines.filter(is_entry).map(str::to_owned).collect(),
            next: (next != 0).then_some(next),
        })
    }
}

impl RedisBackend {
    /// What the server says it is. `None`: the user may not ask.
    pub(super) async fn server_version(&self) -> Result<Option<String>> {
        let command = redis::cmd("INFO").arg("server").to_owned();
        let reply = self.connections.write(Operation::Get, &Request::Script(&command), None).await?;
        let Reply::Value(bytes) = reply else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.trim();
            // It is shown: no more than a version has, and nothing that a terminal would obey.
            let is_version =
                !value.is_empty() && value.len() <= 64 && value.bytes().all(|byte| byte.is_ascii_graphic());
            is_version.then_some(value)
        };
        Ok(field("valkey_version")
            .map(|version| format!("Valkey {version}"))
            .or_else(|| field("redis_version").map(|version| format!("Redis {version}"))))
    }
}
