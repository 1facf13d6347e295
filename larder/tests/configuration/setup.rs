//! A directory with configuration files, and a registry with a store that other processes share and one that
//! they do not, so that these tests are the same whatever was compiled in.

use std::{error::Error as _, fs, sync::Arc};

use larder::{
    Backend as _, Error, ErrorKind, Larder, LarderBuilder, Registry,
    backend::{Capabilities, Forward, Invalidation, NullBackend},
    config::{ConfigError, Mistake},
    error::Operation,
    settings::{ByteSize, Secret, Span},
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Settings of all the kinds that backends have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RemoteSettings {
    pub(crate) url: Option<Secret>,
    pub(crate) password: Option<Secret>,
    /// A secret that is not called like one.
    pub(crate) pepper: Option<Secret>,
    pub(crate) user: String,
    pub(crate) servers: Vec<String>,
    pub(crate) ports: Vec<u16>,
    pub(crate) database: u8,
    pub(crate) ratio: f64,
    pub(crate) tls: bool,
    pub(crate) offset: i32,
    pub(crate) connect_timeout: Option<Span>,
    pub(crate) buffer: Option<ByteSize>,
    pub(crate) mode: Mode,
    pub(crate) nested: Nested,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    #[default]
    Single,
    Cluster,
}

/// Without `deny_unknown_fields`: nothing may slip through all the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Nested {
    pub(crate) certificate: Option<String>,
    pub(crate) depth: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocalSettings {
    #[serde(default = "thousand")]
    pub(crate) max_entries: u64,
}

fn thousand() -> u64 {
    1000
}

/// Stores nothing, and says of itself what it is told to.
#[derive(Debug)]
pub(crate) struct Fake {
    inner: NullBackend,
    shared: bool,
}

impl Forward for Fake {
    type Inner = NullBackend;

    fn inner(&self) -> &NullBackend {
        &self.inner
    }

    fn capabilities(&self) -> Capabilities {
        if self.shared { Capabilities::shared() } else { self.inner.capabilities() }
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::There
    }
}

/// `remote`, which other processes share, and `local`, which they do not.
pub(crate) fn registry(seen: impl Fn(RemoteSettings) + Send + Sync + 'static) -> Registry {
    let remote = move |settings: RemoteSettings, _: &larder::Context<'_>| {
        if settings.database > 15 {
            let message = format!("database {} is above 15", settings.database);
            return Err(Error::new(ErrorKind::Config, Operation::Build, message));
        }
        seen(settings);
        Ok(Fake { inner: NullBackend::new(), shared: true })
    };
    let local = |settings: LocalSettings, _: &larder::Context<'_>| {
        assert!(settings.max_entries > 0);
        Ok(Fake { inner: NullBackend::new(), shared: false })
    };
    Registry::empty().register("remote", remote).register("local", local)
}

/// A directory with configuration files in it.
pub(crate) struct Setup {
    directory: TempDir,
    variables: Vec<(String, String)>,
    seen: Arc<std::sync::Mutex<Option<RemoteSettings>>>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new(), seen: Arc::default() }
    }

    /// With this as `larder.toml`.
    pub(crate) fn toml(text: &str) -> Self {
        Self::new().file("larder.toml", text)
    }

    pub(crate) fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.directory.path().join(name), bytes).unwrap();
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn builder(&self) -> LarderBuilder {
        let seen = Arc::clone(&self.seen);
        Larder::builder()
            .directory(self.directory.path())
            .environment(self.variables.clone())
            .registry(registry(move |settings| *seen.lock().unwrap() = Some(settings)))
    }

    pub(crate) fn build(&self) -> Larder {
        self.builder().build().unwrap()
    }

    /// The settings with which the store of the backend `remote` was made.
    pub(crate) fn remote(&self) -> RemoteSettings {
        self.build();
        self.seen.lock().unwrap().take().expect("no store has the backend `remote`")
    }

    /// The value and the origin of a key, as they are explained.
    pub(crate) fn explained(&self, key: &str) -> String {
        self.explained_of(&self.build(), key)
    }

    pub(crate) fn explained_of(&self, larder: &Larder, key: &str) -> String {
        let setting = larder.explain().get(key).unwrap_or_else(|| panic!("{key} in {}", larder.explain()));
        self.without_directory(&format!("{} from {}", setting.value, setting.origin))
    }

    /// The mistakes that are found, one by one.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        self.mistakes_of(self.builder())
    }

    pub(crate) fn mistakes_of(&self, builder: LarderBuilder) -> Vec<String> {
        let error = builder.build().expect_err("the configuration is accepted");
        assert_eq!(error.kind(), ErrorKind::Config);
        let source = error.source().expect("no source");
        let mistakes = source.downcast_ref::<ConfigError>().expect("another source").mistakes();
        assert!(mistakes.iter().all(|mistake| error.to_string().contains(&mistake.to_string())));
        mistakes.iter().map(Mistake::to_string).map(|text| self.without_directory(&text)).collect()
    }

    /// The only mistake that is found.
    pub(crate) fn mistake(&self) -> String {
        let mut mistakes = self.mistakes();
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        mistakes.remove(0)
    }

    /// A text without the directory of the files, and without lines and columns in them: `places.rs` and the table of
    /// misconfigurations are about those.
    pub(crate) fn without_directory(&self, text: &str) -> String {
        let text = self.with_positions(text);
        let mut rest = &*text;
        let mut short = String::new();
        while let Some((end, ending)) = [".toml", ".json", ".yaml"]
            .into_iter()
            .filter_map(|ending| Some((rest.find(&format!("{ending}:"))?, ending)))
            .min()
        {
            let (before, after) = rest.split_at(end + ending.len());
            short += before;
            let position =
                after.strip_prefix(':').map(|at| at.trim_start_matches(|c: char| c.is_ascii_digit()));
            let position = position.and_then(|at| at.strip_prefix(':'));
            let position = position.filter(|at| at.starts_with(|c: char| c.is_ascii_digit()));
            let Some(position) = position else {
                // A colon that ends the place.
                short += ":";
                rest = &after[1..];
                continue;
            };
            rest = position.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        short + rest
    }

    /// A text without the directory of the files.
    pub(crate) fn with_positions(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}
