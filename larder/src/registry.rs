//! Which backends, codecs and formats a configuration can name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use figment::value::{Dict, Value};
use larder_core::{Backend, Clock, Codec, Format, Formats, Result, backend::NullBackend};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::config::{MEMORY, Mistakes, Section};

/// The name of the backend that stores nothing.
const NULL: &str = "null";

/// What a backend or codec is made with, beside its settings.
#[derive(Debug)]
pub struct Context<'a> {
    name: &'a str,
    clock: &'a Clock,
    is_tier: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(name: &'a str, clock: &'a Clock) -> Self {
        Self { name, clock, is_tier: false }
    }

    /// The name of the store or codec in the configuration.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Whether the store is a tier of a chain, so that it leaves no snapshot and begins with none: its far tier goes on without
    /// it.
    pub fn is_tier(&self) -> bool {
        self.is_tier
    }

    /// Where the time comes from. A store that keeps time by itself clones it.
    pub fn clock(&self) -> &'a Clock {
        self.clock
    }
}

/// Reads a section and makes what it describes, and says what became of its settings; `None` when the mistakes
/// say why not.
type Make<T> = Arc<dyn Fn(&Section<'_>, &Context<'_>, &mut Mistakes) -> Option<(T, Dict)> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Kind<T> {
    pub(crate) make: Make<T>,
    #[cfg(feature = "schema")]
    pub(crate) schema: Option<fn(&mut schemars::SchemaGenerator) -> schemars::Schema>,
}

/// The backends, codecs and formats that a configuration can name: those that were compiled in, and a
/// program's own.
///
/// ```
/// use std::sync::Arc;
/// use larder::{Larder, Registry, backend::NullBackend};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct MySettings {
///     size: u32,
/// }
///
/// # fn main() -> Result<(), larder::Error> {
/// let registry = Registry::with_defaults().register("mine", |settings: MySettings, context| {
///     println!("{} has room for {}", context.name(), settings.size);
///     Ok(NullBackend::new())
/// });
/// let larder = Larder::builder()
///     .registry(registry)
///     .set("stores.main.backend", "mine")
///     .set("stores.main.size", 100)
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Registry {
    backends: BTreeMap<String, Kind<Arc<dyn Backend>>>,
    codecs: BTreeMap<String, Kind<Arc<dyn Codec>>>,
    formats: Formats,
    /// What the backend `memory` is.
    memory: Option<&'static str>,
}

impl Registry {
    /// The backend `null` and the built-in formats, and nothing else.
    pub fn empty() -> Self {
        #[derive(Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        struct NoSettings {}

        let registry = Self {
            backends: BTreeMap::new(),
            codecs: BTreeMap::new(),
            formats: Formats::default(),
            memory: None,
        };
        let registry = registry.register(NULL, |NoSettings {}, _| Ok(NullBackend::new()));
        #[cfg(feature = "schema")]
        let registry = registry.describe::<NoSettings>(NULL);
        registry
    }

    /// Everything that was compiled in. `memory` is quick-cache if that is there, and moka otherwise.
    pub fn with_defaults() -> Self {
        crate::builtin::register(Self::empty())
    }

    /// Adds a backend, in place of one with the same name.
    ///
    /// `S` are its settings: all keys of `[stores.NAME]` but `backend` and `deadline`. A key that `S` does not
    /// know is an error, whether or not the type says `deny_unknown_fields`. It is serialized to
    /// [explain](crate::Larder::explain) what became of it, defaults included; what must not be shown has the
    /// type [`Secret`](larder_core::settings::Secret), which hides itself. A struct with `#[serde(flatten)]` in
    /// it hides from Larder which types its settings have, so that values from the environment arrive there as
    /// strings.
    ///
    /// `make` connects to nothing. Its error becomes a part of [`build`](crate::Builder::build)'s.
    pub fn register<S, B>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(S, &Context<'_>) -> Result<B> + Send + Sync + 'static,
    ) -> Self
    where
        S: Serialize + DeserializeOwned,
        B: Backend,
    {
        let kind = kind(move |settings, context| Ok(Arc::new(make(settings, context)?) as Arc<dyn Backend>));
        self.backends.insert(name.into(), kind);
        self
    }

    /// Adds a codec, in place of one with the same name, which must be its
    /// [`Codec::name`](larder_core::Codec::name). `S` are its settings: the keys of `[codecs.NAME]`.
    ///
    /// Every codec that can be made without settings can be read by every cache, so that the codec of a live
    /// cache can be changed.
    pub fn register_codec<S, C>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(S, &Context<'_>) -> Result<C> + Send + Sync + 'static,
    ) -> Self
    where
        S: Serialize + DeserializeOwned,
        C: Codec,
    {
        let kind = kind(move |settings, context| Ok(Arc::new(make(settings, context)?) as Arc<dyn Codec>));
        self.codecs.insert(name.into(), kind);
        self
    }

    /// Adds a format, in place of one with the same id.
    pub fn register_format(mut self, format: impl Format) -> Self {
        self.formats = self.formats.with(Arc::new(format));
        self
    }

    #[cfg(any(feature = "quick-cache", feature = "moka"))]
    pub(crate) fn with_memory(mut self, backend: &'static str) -> Self {
        self.memory = Some(backend);
        self
    }

    /// The name of a backend itself, where it was called `memory`.
    pub(crate) fn resolve<'n>(&self, name: &'n str) -> &'n str {
        match self.memory {
            Some(memory) if name == MEMORY && !self.backends.contains_key(MEMORY) => memory,
            _ => name,
        }
    }

    pub(crate) fn backend(&self, name: &str) -> Option<&Kind<Arc<dyn Backend>>> {
        self.backends.get(self.resolve(name))
    }

    pub(crate) fn backend_names(&self) -> impl Iterator<Item = &str> {
        self.memory.map(|_| MEMORY).into_iter().chain(self.backends.keys().map(String::as_str))
    }

    pub(crate) fn codecs(&self) -> impl Iterator<Item = (&str, &Kind<Arc<dyn Codec>>)> {
        self.codecs.iter().map(|(name, kind)| (name.as_str(), kind))
    }

    pub(crate) fn codec_names(&self) -> impl Iterator<Item = &str> {
        self.codecs.keys().map(String::as_str)
    }

    pub(crate) fn formats(&self) -> &Formats {
        &self.formats
    }
}

#[cfg(feature = "schema")]
impl Registry {
    /// Says what the settings of a backend are like, for [`schema`](crate::schema()). Without it, anything
    /// goes there. A name that is not registered is ignored.
    pub fn describe<S: schemars::JsonSchema>(mut self, backend: &str) -> Self {
        if let Some(kind) = self.backends.get_mut(backend) {
            kind.schema = Some(S::json_schema);
        }
        self
    }

    /// The same for a codec.
    pub fn describe_codec<S: schemars::JsonSchema>(mut self, codec: &str) -> Self {
        if let Some(kind) = self.codecs.get_mut(codec) {
            kind.schema = Some(S::json_schema);
        }
        self
    }

    pub(crate) fn backends(&self) -> impl Iterator<Item = (&str, &Kind<Arc<dyn Backend>>)> {
        self.backends.iter().map(|(name, kind)| (name.as_str(), kind))
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::with_defaults()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("backends", &self.backends.keys())
            .field("codecs", &self.codecs.keys())
            .field("formats", &self.formats.names().collect::<Vec<_>>())
            .field("memory", &self.memory)
            .finish()
    }
}

fn kind<S: Serialize + DeserializeOwned, T>(
    make: impl Fn(S, &Context<'_>) -> Result<T> + Send + Sync + 'static,
) -> Kind<T> {
    let make = move |section: &Section<'_>, context: &Context<'_>, mistakes: &mut Mistakes| {
        let settings = section.read::<S>(mistakes)?;
        // What cannot be serialized is not shown.
        let shown = Value::serialize(&settings).ok().and_then(Value::into_dict).unwrap_or_default();
        match make(settings, context) {
            Ok(ready) => Some((ready, shown)),
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                mistakes.add(section.mistake("", format!("{}{cause}", error.message())));
                None
            }
        }
    };
    Kind {
        make: Arc::new(make),
        #[cfg(feature = "schema")]
        schema: None,
    }
}
