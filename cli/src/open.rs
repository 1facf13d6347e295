//! Which configuration a command works on, and opening it.

use std::path::PathBuf;

use clap::Args;
use larder::{Larder, LarderBuilder, Registry};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::exit::Failure;

/// Which configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// The configuration file. Without it: larder.toml, or what LARDER_CONFIG names; the environment's LARDER_… lie over it.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// The profile.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) profile: Option<String>,
    /// Sets a value over all layers: stores.main.url=redis://localhost:6379
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub(crate) set: Vec<String>,
    /// A section of the program's own in the file, which is not looked into: proxy,upstreams,routes.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', global = true)]
    pub(crate) section: Vec<String>,
}

impl Source {
    /// A builder on this configuration.
    pub(crate) fn builder(&self) -> Result<LarderBuilder, Failure> {
        let mut builder = Larder::builder().registry(self.registry());
        if let Some(file) = &self.config {
            builder = builder.file(file);
        }
        if let Some(profile) = &self.profile {
            builder = builder.profile(profile);
        }
        for set in &self.set {
            let (key, value) = set.split_once('=').ok_or_else(|| {
                Failure::new(format!(
                    "--set: found no \"=\" in {:?}; write KEY=VALUE",
                    set.split(['/', '@']).next().unwrap_or_default()
                ))
            })?;
            builder = builder.set(key, value);
        }
        Ok(builder)
    }

    /// What the configuration may name: everything that is built in, and the program's sections.
    pub(crate) fn registry(&self) -> Registry {
        self.section.iter().fold(Registry::with_defaults(), Registry::register_section::<OfTheProgram>)
    }

    /// Opens it. Connects to nothing.
    pub(crate) fn open(&self) -> Result<Larder, Failure> {
        Ok(self.builder()?.build()?)
    }
}

/// A section of a program's own: anything, and nothing of it is shown.
#[derive(Debug, Default)]
struct OfTheProgram;

impl<'de> Deserialize<'de> for OfTheProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(|_: serde_json::Value| Self)
    }
}

impl Serialize for OfTheProgram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::ser::SerializeMap::end(serializer.serialize_map(Some(0))?)
    }
}
