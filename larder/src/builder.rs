//! Making a [`Larder`]: where its configuration comes from.

use std::{ffi::OsString, panic::Location, path::PathBuf, sync::Arc};

use larder_core::{Clock, Result, cache::Listener, layer::Faults};
use serde::Serialize;

use crate::{
    Larder, Registry,
    config::{self, Environment, Set, Sources},
    plan::{Hooks, Plan},
};

impl Larder {
    /// Says where the configuration comes from.
    pub fn builder() -> LarderBuilder {
        LarderBuilder::new()
    }

    /// The same as `Larder::builder().build()`: `larder.toml`, profile and environment as is.
    ///
    /// # Errors
    /// As for [`LarderBuilder::build`].
    pub fn load() -> Result<Self> {
        Self::builder().build()
    }
}

/// Makes a [`Larder`]. Everything has a default.
#[derive(Clone)]
#[must_use = "a builder alone does nothing; end with build"]
pub struct LarderBuilder {
    sources: Sources,
    environment: Option<Environment>,
    registry: Registry,
    clock: Clock,
    hooks: Hooks,
}

impl LarderBuilder {
    fn new() -> Self {
        Self {
            sources: Sources::default(),
            environment: None,
            registry: Registry::with_defaults(),
            clock: Clock::system(),
            hooks: Hooks::default(),
        }
    }

    /// The configuration file: TOML, or by its ending YAML (with the feature `yaml`) or JSON. It must exist.
    ///
    /// Default: the one that the variable `LARDER_CONFIG` names, which must exist; else `larder.toml`, `.yaml`,
    /// `.yml` or `.json` in the [directory](Self::directory), if there is one.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.file = Some(path.into());
        self
    }

    /// Where the configuration file is looked for when none is named. Default: the working directory.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.sources.directory = Some(path.into());
        self
    }

    /// The profile: `[profiles.NAME]` in the file, and the file `larder.NAME.toml` beside it. One of the two must
    /// exist. Default: what the variable `LARDER_PROFILE` says, or none.
    #[track_caller]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.sources.profile = Some((name.into(), config::line(Location::caller())));
        self
    }

    /// The backends, codecs and formats that the configuration can name. Default:
    /// [`Registry::with_defaults`].
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Sets a value over all other layers. The path is written as in messages: `stores.main.url`, or
    /// `caches."a.b".ttl` if a name has a dot in it. The value may also be a whole section.
    ///
    /// ```
    /// use larder::Larder;
    ///
    /// # fn main() -> Result<(), larder::Error> {
    /// let larder = Larder::builder()
    ///     .set("stores.main.backend", "null")
    ///     .set("caches.search", serde_json::json!({ "ttl": "60s", "max_value": "1 MiB" }))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn set(mut self, path: impl Into<String>, value: impl Serialize) -> Self {
        self.sources.program.push(Set::new(path.into(), value, Location::caller()));
        self
    }

    /// The variables of the environment, in place of the process's: for tests, which run side by side in one
    /// process.
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// Where the time comes from, for every store and cache. Default: the system.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who is told what happens to every cache: `Metrics`, with the feature `metrics`, or a hook of the program's own.
    /// Default: nobody.
    pub fn listener(mut self, listener: impl Listener) -> Self {
        self.hooks.listener = Some(Arc::new(listener));
        self
    }

    /// Makes the store of this name fail as the handle says: for tests of a program with its own configuration. The faults are
    /// innermost, so that the store's deadline and breaker see them. The configuration has no setting for it: no deployment
    /// can have it by accident.
    ///
    /// ```
    /// use larder::{Cache, Clock, ErrorKind, Key, Larder, layer::{Faults, Mishap}};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder::Error> {
    /// let faults = Faults::new(&Clock::system());
    /// let larder = Larder::builder()
    ///     .set("stores.shared.backend", "null")
    ///     .faults("shared", faults.clone())
    ///     .build()?;
    /// let cache: Cache<String> = larder.cache("pages")?;
    /// faults.always(Mishap::Fails(ErrorKind::Timeout));
    /// assert_eq!(cache.get(&Key::new("k")).await.unwrap_err().kind(), ErrorKind::Timeout);
    /// # Ok(()) }
    /// ```
    pub fn faults(mut self, store: impl Into<String>, faults: Faults) -> Self {
        self.hooks.faults.insert(store.into(), faults);
        self
    }

    /// Reads the configuration and makes its stores. Connects to nothing: a store that is down is no error
    /// here. [Advice](Larder::advice) is logged as warnings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](larder_core::ErrorKind::Config), with everything that is wrong with the
    /// configuration; its source is a [`ConfigError`](config::ConfigError).
    pub fn build(self) -> Result<Larder> {
        let mut sources = self.sources;
        sources.environment = self.environment.unwrap_or_else(Environment::of_the_process);
        let plan = Plan::make(sources, &self.registry, &self.clock, &self.hooks)?;
        for advice in &plan.advice {
            tracing::warn!(key = %advice.key, "advice on the configuration: {advice}");
        }
        Ok(Larder::new(plan, self.clock, self.hooks.listener))
    }
}

/// Neither variables nor what was set: they may hold secrets.
impl std::fmt::Debug for LarderBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LarderBuilder")
            .field("file", &self.sources.file)
            .field("directory", &self.sources.directory)
            .field("registry", &self.registry)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
