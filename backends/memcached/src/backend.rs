//! The store: which server has a key, and what the operations of a backend are in requests.

mod change_many;
mod counters;
mod many;
mod read;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use larder_core::{
    Backend, Clock, Entry, Error, ErrorKind, Result,
    backend::{
        Capabilities, CounterEnds, Counters, DeleteItem, DeleteOptions, GetOptions, Lookup, SetItem,
        SetOptions, Shards, TouchItem, TouchOptions, Written,
    },
    error::Operation,
    key::StoreKey,
};

use larder_net::{Connection, CredentialsProvider, Failure, Limits, Pace, Repeat, again};
use tokio::time::Instant;

use crate::{
    config::{Checked, MemcachedConfig},
    protocol::{Refusal, Reply, Request, WireKey},
    ring::Ring,
    server::MemcachedServer,
};

/// A store on one or several Memcached servers.
///
/// Entries are spread over the servers by their keys; a server that is down takes its own keys with it and no
/// others, and is used again within a second of being back. Nothing is connected until the first operation.
///
/// # Exactness
/// The server counts time in whole seconds and keeps an item up to two seconds longer than the entry in it
/// lives. `add`, `delete`, `touch` and conditional writes look at the entry and do not count one that is over by
/// the store's [clock](Self::with_clock). What this costs is in the table of the crate's documentation.
pub struct MemcachedBackend {
    nodes: Vec<Node>,
    ring: Ring,
    limits: Limits,
    clock: Clock,
}

/// A server and the connections to it.
struct Node {
    server: Arc<MemcachedServer>,
    connections: Vec<Connection<MemcachedServer>>,
}

impl MemcachedBackend {
    /// A store with these settings. It connects to nothing, and may be made outside a runtime; the first
    /// operation needs one of Tokio's with I/O and time.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be right: an address that is none, two servers of one
    /// name, a file that cannot be read.
    pub fn new(config: MemcachedConfig) -> Result<Self> {
        Ok(Self::with(config.check(None)?))
    }

    /// The same, logging in with what `provider` gives for each connection, in place of a user and a password that the
    /// configuration names. A server that does not ask for them does not receive them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] as above, and for a password beside the provider.
    pub fn with_credentials(config: MemcachedConfig, provider: Arc<dyn CredentialsProvider>) -> Result<Self> {
        Ok(Self::with(config.check(Some(provider))?))
    }

    fn with(Checked { servers, ring, connections, limits }: Checked) -> Self {
        // One for all servers: a ring that is gone makes no storm.
        let pace = Arc::new(Pace::new(servers.len()));
        let node = |server| {
            let connection = |_| Connection::with_pace(Arc::clone(&server), &pace);
            let connections = (0..connections).map(connection).collect();
            Node { server, connections }
        };
        let nodes = servers.into_iter().map(node).collect();
        Self { nodes, ring, limits, clock: Clock::system() }
    }

    /// The same with another clock: that of the caches that use the store. It says which entries are over, and
    /// does not move the servers' own time.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where this key is kept: the server, and which of the connections to it.
    ///
    /// All requests for a key go over the same connection, so that they take place in the order in which they
    /// were made, also when nobody waits for the replies any more.
    fn place(&self, key: &WireKey) -> (usize, usize) {
        if let [Node { connections, .. }] = &*self.nodes
            && connections.len() == 1
        {
            return (0, 0);
        }
        let hash = key.hash();
        let node = match key.shard().map(usize::from) {
            Some(shard) if shard < self.nodes.len() => shard,
            _ => self.ring.server(key, hash),
        };
        // Other bits than those that chose the server.
        let connection = (hash.rotate_left(32) % self.nodes[node].connections.len() as u64) as usize;
        (node, connection)
    }

    fn locate(&self, wire: &WireKey) -> (&MemcachedServer, &Connection<MemcachedServer>) {
        let (node, connection) = self.place(wire);
        let Node { server, connections } = &self.nodes[node];
        (server, &connections[connection])
    }

    /// Makes a request that changes nothing: it is made once more if its connection is lost meanwhile.
    async fn look_at(
        &self,
        wire: &WireKey,
        request: &Request<'_>,
        (operation, until): Call,
    ) -> Result<Reply> {
        let (_, connection) = self.locate(wire);
        let reply = again(self.limits, (Repeat::Harmless, until), || connection.ask(request).reply()).await;
        reply.map_err(|failure| failure.during(operation))
    }

    /// Makes a request that changes something: once, whatever happens. It may have been done although no reply came, and
    /// somebody else may have written since.
    async fn change(&self, wire: &WireKey, request: &Request<'_>, (operation, until): Call) -> Result<Reply> {
        let (_, connection) = self.locate(wire);
        let reply = again(self.limits, (Repeat::Never, until), || connection.ask(request).reply()).await;
        reply.map_err(|failure| failure.during(operation))
    }
}

/// What requests are made for, and until when their caller waits.
type Call = (Operation, Option<Instant>);

/// What a reply means that is none of those the request can have.
fn unfit(reply: &Reply, server: &MemcachedServer, operation: Operation) -> Error {
    let failure = match reply {
        Reply::Refused(Refusal::TooLarge) => {
            Failure::new(ErrorKind::TooLarge, "the server says it is too large")
        }
        Reply::Refused(Refusal::Full) => {
            Failure::new(ErrorKind::Full, "the server has no memory left and may not evict")
        }
        Reply::Refused(Refusal::NoNumber) => {
            Failure::new(ErrorKind::Decode, "the counter's key holds something that is not a number")
        }
        Reply::Refused(Refusal::Other(why)) => {
            Failure::new(ErrorKind::Other, format!("the server says {why}"))
        }
        _ => Failure::new(ErrorKind::Protocol, "the server's reply does not fit the request"),
    };
    failure.at(&server.name).during(operation)
}

#[async_trait]
impl Backend for MemcachedBackend {
    fn capabilities(&self) -> Capabilities {
        let max_value = self.nodes.iter().filter_map(|node| node.server.max_value()).min();
        Capabilities::shared()
            .with_ttl_resolution(Duration::from_secs(1))
            .with_max_value(max_value)
            .with_counter_ends(CounterEnds::StopAndWrap)
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> Result<Lookup> {
        let wire = WireKey::new(key, Operation::Get)?;
        self.read(key, &wire, options.until).await
    }

    async fn set(&self, key: &StoreKey<'_>, entry: &Entry, options: &SetOptions) -> Result<Written> {
        let wire = WireKey::new(key, Operation::Set)?;
        self.write(key, &wire, entry, options).await.map(|took_place| Written::when(took_place, entry))
    }

    async fn touch(&self, key: &StoreKey<'_>, options: &TouchOptions) -> Result<bool> {
        let wire = WireKey::new(key, Operation::Touch)?;
        self.touch_one(key, &wire, options).await
    }

    async fn delete(&self, key: &StoreKey<'_>, options: &DeleteOptions) -> Result<bool> {
        let wire = WireKey::new(key, Operation::Delete)?;
        self.remove_one(key, &wire, options.condition, (Operation::Delete, options.until)).await
    }

    async fn close(&self) -> Result<()> {
        let connections = self.nodes.iter().flat_map(|node| &node.connections);
        futures_util::future::join_all(connections.map(Connection::close)).await;
        Ok(())
    }

    async fn get_many(&self, keys: &[StoreKey<'_>], options: &GetOptions) -> Vec<Result<Lookup>> {
        self.read_many(keys, options.until).await
    }

    async fn set_many(&self, items: &[SetItem<'_>]) -> Vec<Result<Written>> {
        let written = self.write_many(items).await.into_iter().zip(items);
        written.map(|(written, item)| written.map(|it| Written::when(it, &item.entry))).collect()
    }

    async fn touch_many(&self, items: &[TouchItem<'_>]) -> Vec<Result<bool>> {
        self.touch_all(items).await
    }

    async fn delete_many(&self, items: &[DeleteItem<'_>]) -> Vec<Result<bool>> {
        self.remove_all(items).await
    }

    fn counters(&self) -> Option<&dyn Counters> {
        Some(self)
    }

    /// Of those servers that were talked to.
    async fn about(&self) -> Result<Vec<String>> {
        let version = |node: &Node| node.server.version().map(|version| format!("Memcached {version}"));
        Ok(self.nodes.iter().filter_map(version).collect())
    }

    fn shards(&self) -> Option<&dyn Shards> {
        (self.nodes.len() > 1).then_some(self)
    }
}

/// A server is a shard.
impl Shards for MemcachedBackend {
    fn count(&self) -> u16 {
        // The configuration allows 1024.
        u16::try_from(self.nodes.len()).unwrap_or(u16::MAX)
    }

    fn of(&self, key: &StoreKey<'_>) -> u16 {
        // A key that cannot be sent is on no server, and is refused wherever it is asked for.
        let place = WireKey::new(key, Operation::Get).map_or(0, |wire| self.place(&wire).0);
        u16::try_from(place).unwrap_or(0)
    }

    fn name(&self, shard: u16) -> String {
        self.nodes.get(usize::from(shard)).map_or_else(|| shard.to_string(), |node| node.server.name.clone())
    }
}

impl fmt::Debug for MemcachedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for Node { server, connections } in &self.nodes {
            map.entry(&format_args!("{}", server.name), connections);
        }
        map.finish()
    }
}
