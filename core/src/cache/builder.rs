//! Making a cache.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{Cache, Listener, Policy, Value};
use crate::{
    backend::{Backend, Observer},
    clock::Clock,
    codec::{Codecs, Compression},
    engine::{
        encoding::{Encoding, Room, Weigher},
        events::Events,
        flight::Flights,
        kit::Kit,
        pauses::Pauses,
        register::Register,
        store::Store,
        throttle::Throttle,
        watcher::Watcher,
    },
    error::{Error, ErrorKind, Operation, Result},
    format::{Format, Formats, MessagePack},
    key::Namespace,
    ttl::Ttl,
};

/// The largest value, before compression, that is written or read when nothing is configured.
pub const DEFAULT_MAX_VALUE: u64 = 64 * 1024 * 1024;
/// The default of [`CacheBuilder::invalidation_lag`].
pub const DEFAULT_INVALIDATION_LAG: Duration = Duration::from_millis(100);

/// Makes a [`Cache`]. Everything but the namespace has a default.
#[derive(Clone)]
#[must_use = "a builder alone does nothing; end with build"]
pub struct CacheBuilder<T> {
    backend: Arc<dyn Backend>,
    name: Option<Arc<str>>,
    namespace: Option<String>,
    schema: u32,
    policy: Policy,
    clock: Clock,
    format: Arc<dyn Format>,
    formats: Formats,
    codecs: Codecs,
    compression: Option<Compression>,
    max_value: u64,
    invalidation_lag: Duration,
    weigher: Option<Weigher<T>>,
    listener: Option<Arc<dyn Listener>>,
}

impl<T: Value> CacheBuilder<T> {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            name: None,
            namespace: None,
            schema: 0,
            policy: Policy::default(),
            clock: Clock::system(),
            format: Arc::new(MessagePack),
            formats: Formats::default(),
            codecs: Codecs::new(),
            compression: None,
            max_value: DEFAULT_MAX_VALUE,
            invalidation_lag: DEFAULT_INVALIDATION_LAG,
            weigher: None,
            listener: None,
        }
    }

    /// Whose keys these are: a path like `shop/users`. Two caches with one namespace on one store share
    /// entries; two namespaces never meet. Needed.
    pub fn namespace(mut self, path: impl Into<String>) -> Self {
        self.namespace = Some(path.into());
        self
    }

    /// The version of the values' schema. It stands in every key, so that raising it begins with an empty
    /// cache and old processes keep theirs. Default 0.
    pub fn schema(mut self, schema: u32) -> Self {
        self.schema = schema;
        self
    }

    /// The name in logs and metrics. Default: the namespace.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How long an entry lives when the call says nothing else. Default: five minutes.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.policy.ttl = ttl.into();
        self
    }

    /// How long values live, and what happens when they are old or cannot be had. Replaces the
    /// [life](Self::ttl), too.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where the time comes from. Default: the system. On a store in this process's memory, TTLs go by its
    /// [`steady`](Clock::steady) form, which a system clock that is set does not move.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The format that values are written in. Default: MessagePack with field names. Entries that were written
    /// in another one stay readable.
    pub fn format(mut self, format: impl Format) -> Self {
        self = self.shared_format(Arc::new(format));
        self
    }

    /// The same for a format that is shared.
    pub fn shared_format(mut self, format: Arc<dyn Format>) -> Self {
        self.formats = self.formats.with(Arc::clone(&format));
        self.format = format;
        self
    }

    /// The formats that can be read. Default: the built-in ones, and the one that is written.
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats.with(Arc::clone(&self.format));
        self
    }

    /// Compresses values. Default: not. Entries that were written otherwise stay readable, so long as their
    /// codec is in [`codecs`](Self::codecs).
    pub fn compression(mut self, compression: Option<Compression>) -> Self {
        if let Some(compression) = &compression {
            self.codecs = self.codecs.with(Arc::clone(&compression.codec));
        }
        self.compression = compression;
        self
    }

    /// The codecs that can be read. Default: the one that is written.
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        let compression = self.compression.take();
        self.compression(compression)
    }

    /// The largest value, in bytes before compression, that is written or read. A larger one is
    /// [`ErrorKind::TooLarge`] when writing and a miss when reading. Default: 64 MiB. A store in this process
    /// keeps values and not their bytes, so that nothing is measured there: its own bound is what counts.
    pub fn max_value(mut self, bytes: u64) -> Self {
        self.max_value = bytes;
        self
    }

    /// On a store that other processes share: how long the versions of tags and of the namespace, which every
    /// read is checked against, may be remembered. It is the longest time for which this process may still
    /// see what another one has cleared or invalidated by tag; what this process does, it sees at once. Zero
    /// asks the store on every read, in the same round trip for the namespace and in one more for tags.
    /// `delete` and `set` are not concerned. Default: 100 ms.
    pub fn invalidation_lag(mut self, lag: Duration) -> Self {
        self.invalidation_lag = lag;
        self
    }

    /// How many bytes of memory a value takes, for stores that are bounded by bytes. Default: an estimate by
    /// walking through the value as serde does, once per write, on such stores alone.
    pub fn weigher(mut self, weigh: impl Fn(&T) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Arc::new(weigh));
        self
    }

    /// The same policy with something else in it. With a cache out of a configuration, this adds to what is configured,
    /// where [`policy`](Self::policy) would replace it.
    pub fn adjust_policy(mut self, adjust: impl FnOnce(Policy) -> Policy) -> Self {
        self.policy = adjust(self.policy);
        self
    }

    /// Who is told what happens to the cache; an `Arc` of a listener is one, too. Default: nobody, which costs nothing.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Makes the cache. Connects to nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is no namespace, it is too long, or the policy is nonsense.
    pub fn build(self) -> Result<Cache<T>> {
        let path = self.namespace.ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                Operation::Build,
                "a cache needs a namespace, such as \"shop/users\"",
            )
        })?;
        let namespace = Namespace::new(&path, self.schema)?;
        self.policy.check(&self.backend.capabilities())?;
        let encoding = Encoding {
            format: self.format,
            formats: self.formats,
            codecs: self.codecs,
            compression: self.compression,
            max_value: self.max_value,
            weigher: self.weigher,
            room: Room::default(),
        };
        let name = self.name.unwrap_or_else(|| path.into());
        let events = Arc::new(Events::new(Arc::clone(&name), self.listener));
        // What no other process sees is timed by a clock that nobody sets.
        let is_here = self.backend.invalidation().here().is_some();
        let clock = if is_here { self.clock.steady() } else { self.clock };
        let register = Register::new(&self.backend, &namespace, self.invalidation_lag, &clock);
        let watcher = Arc::new(Watcher { events: Arc::clone(&events), clock: clock.clone() });
        if let Some(bounded) = self.backend.bounded() {
            // From here on a weak one of another type.
            let observer: Arc<dyn Observer> = Arc::clone(&watcher) as _;
            bounded.observe(&namespace, Arc::downgrade(&observer));
        }
        // Who keeps nothing near has no use for it.
        let is_chain = self.backend.capabilities().near_ttl.is_some();
        let bus = self.backend.bus().filter(|_| is_chain);
        let ear = bus.and_then(|bus| {
            let ear = register.ear()?;
            bus.listen(&namespace, Arc::downgrade(&ear));
            Some(ear)
        });
        let store = Store::new(self.backend, register, Arc::clone(&events), clock.clone());
        Ok(Cache {
            kit: Arc::new(Kit {
                name,
                namespace,
                permits: Semaphore::new(self.policy.max_loads.min(Semaphore::MAX_PERMITS)),
                policy: self.policy,
                store,
                encoding: Arc::new(encoding),
                clock,
                events,
                watcher,
                ear,
                flights: Flights::default(),
                resting: Pauses::default(),
                touching: Pauses::default(),
                repairs: tokio::sync::Mutex::default(),
                warnings: Throttle::default(),
                told_unreadable: AtomicBool::new(false),
            }),
        })
    }
}

impl<T> std::fmt::Debug for CacheBuilder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheBuilder").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
