//! Which backends, codecs and formats a configuration can name.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use figment::value::{Dict, Value};
use larder_core::{Backend, Clock, Codec, Format, Formats, Result, backend::NullBackend};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    config::{Mistakes, Section},
    model::MEMORY,
};

/// The name of the backend that stores nothing.
const NULL: &str = "null";
/// The sections that every configuration may have.
const SECTIONS: [&str; 4] = ["defaults", "stores", "codecs", "caches"];

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

    pub(crate) fn tier(self, is_tier: bool) -> Self {
        Self { is_tier, ..self }
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

/// Reads a section; `None` when the mistakes say why not.
type Read<T> = Arc<dyn Fn(&Section<'_>, &mut Mistakes) -> Option<Ready<T>> + Send + Sync>;
/// Makes a thing of settings that have been read.
type Make<T> = Box<dyn FnOnce(&Context<'_>) -> Result<T>>;

/// Settings that have been read, and what is made of them.
pub(crate) struct Ready<T> {
    /// The settings, as they show themselves.
    pub(crate) settings: Dict,
    make: Make<T>,
}

impl<T> Ready<T> {
    /// Makes it. What its constructor refuses is a mistake of the section.
    pub(crate) fn make(
        self,
        section: &Section<'_>,
        context: &Context<'_>,
        mistakes: &mut Mistakes,
    ) -> Option<(T, Dict)> {
        match (self.make)(context) {
            Ok(made) => Some((made, self.settings)),
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                mistakes.add(section.refused(&self.settings, &format!("{}{cause}", error.message())));
                None
            }
        }
    }
}

#[derive(Clone)]
pub(crate) struct Kind<T> {
    pub(crate) read: Read<T>,
    #[cfg(feature = "schema")]
    pub(crate) schema: Option<fn(&mut schemars::SchemaGenerator) -> schemars::Schema>,
}

/// What became of a section of the program's own.
pub(crate) type AnySettings = Arc<dyn Any + Send + Sync>;

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
#[must_use]
pub struct Registry {
    backends: BTreeMap<String, Kind<Arc<dyn Backend>>>,
    codecs: BTreeMap<String, Kind<Arc<dyn Codec>>>,
    formats: Formats,
    sections: BTreeMap<String, Kind<AnySettings>>,
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
            sections: BTreeMap::new(),
            memory: None,
        };
        let registry = registry.register(NULL, |NoSettings {}, _| Ok(NullBackend::new()));
        #[cfg(feature = "schema")]
        let registry = registry.describe::<NoSettings>(NULL);
        registry
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
    /// `make` connects to nothing. Its error becomes a part of [`build`](crate::LarderBuilder::build)'s: one whose message begins
    /// with a key (`` `url`: has no host ``) is shown at that key, with the place in the file or the variable that set it.
    pub fn register<S, B>(
        mut self,
        name: impl Into<String>,
        make: impl Fn(S, &Context<'_>) -> Result<B> + Send + Sync + 'static,
    ) -> Self
    where
        S: Serialize + DeserializeOwned + 'static,
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
        S: Serialize + DeserializeOwned + 'static,
        C: Codec,
    {
        let kind = kind(move |settings, context| Ok(Arc::new(make(settings, context)?) as Arc<dyn Codec>));
        self.codecs.insert(name.into(), kind);
        self
    }

    /// Adds a section of the program's own, `[NAME]` beside `[stores]` and the others, tables within it included. It is read
    /// from the same layers, checked and explained like Larder's, and given back by [`Larder::section`](crate::Larder::section).
    /// A program has it although no layer does, if all its settings have defaults. A name that Larder uses is ignored.
    ///
    /// ```
    /// use larder::{Larder, Registry};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Proxy {
    ///     listen: String,
    /// }
    ///
    /// # fn main() -> Result<(), larder::Error> {
    /// let larder = Larder::builder()
    ///     .registry(Registry::with_defaults().register_section::<Proxy>("proxy"))
    ///     .environment([("LARDER_PROXY__LISTEN", "127.0.0.1:9000")])
    ///     .build()?;
    /// assert_eq!(larder.section::<Proxy>("proxy").unwrap().listen, "127.0.0.1:9000");
    /// # Ok(()) }
    /// ```
    pub fn register_section<S>(mut self, name: impl Into<String>) -> Self
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let name = name.into();
        if !SECTIONS.contains(&name.as_str()) && name != "profiles" {
            let kind = kind(move |settings: S, _| Ok(Arc::new(settings) as AnySettings));
            self.sections.insert(name, kind);
        }
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

    /// The names of all sections.
    pub(crate) fn section_names(&self) -> impl Iterator<Item = &str> {
        SECTIONS.into_iter().chain(self.sections.keys().map(String::as_str))
    }

    /// The sections of the program's own.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&str, &Kind<AnySettings>)> {
        self.sections.iter().map(|(name, kind)| (name.as_str(), kind))
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

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("backends", &self.backends.keys())
            .field("codecs", &self.codecs.keys())
            .field("formats", &self.formats.names().collect::<Vec<_>>())
            .field("sections", &self.sections.keys())
            .field("memory", &self.memory)
            .finish()
    }
}

fn kind<S: Serialize + DeserializeOwned + 'static, T>(
    make: impl Fn(S, &Context<'_>) -> Result<T> + Send + Sync + 'static,
) -> Kind<T> {
    let make = Arc::new(make);
    let read = move |section: &Section<'_>, mistakes: &mut Mistakes| {
        let read = section.read::<S>(mistakes)?;
        // What cannot be serialized is not shown.
        let settings = Value::serialize(&read).ok().and_then(Value::into_dict).unwrap_or_default();
        let make = Arc::clone(&make);
        Some(Ready { settings, make: Box::new(move |context: &Context<'_>| make(read, context)) })
    };
    Kind {
        read: Arc::new(read),
        #[cfg(feature = "schema")]
        schema: None,
    }
}
