//! The layered configuration: where values come from, what is wrong with them, and how they are explained.
//!
//! | layer, later wins | |
//! |---|---|
//! | built-in defaults | shown by [`Larder::explain`](crate::Larder::explain) |
//! | the file | `larder.toml`, `.yaml`, `.yml` or `.json`, or the one that is named |
//! | the profile | the section `[profiles.NAME]`, then the file `larder.NAME.toml` beside the other |
//! | the environment | `LARDER_STORES__MAIN__URL` is `stores.main.url` |
//! | the program | [`Builder::set`](crate::Builder::set) |
//!
//! `docs/configuration.md` in the repository has every rule with an example.

mod de;
mod environment;
mod error;
mod explain;
mod file;
mod layers;
mod model;
mod node;
mod origin;
mod path;
mod plan;
mod reference;
#[cfg(feature = "schema")]
pub(crate) mod schema;
mod secrecy;
mod section;
mod text;
#[cfg(feature = "yaml")]
mod yaml;

use std::{panic::Location, path::PathBuf};

use figment::value::Value;
use serde::Serialize;

pub(crate) use self::{
    environment::Environment,
    error::Mistakes,
    model::MEMORY,
    plan::{Plan, find_cache, shares_namespace, unknown},
    section::Section,
};
pub use self::{
    error::{ConfigError, Mistake},
    explain::{Explanation, Setting},
    origin::{Layer, Origin},
};

/// Where the layers come from.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    pub(crate) file: Option<PathBuf>,
    pub(crate) profile: Option<(String, Origin)>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) environment: Environment,
    pub(crate) program: Vec<Set>,
}

/// A value that the program sets.
#[derive(Clone)]
pub(crate) struct Set {
    path: String,
    value: Result<Value, String>,
    at: &'static Location<'static>,
}

impl Set {
    pub(crate) fn new(path: String, value: impl Serialize, at: &'static Location<'static>) -> Self {
        let value = Value::serialize(value).map_err(|error| error.to_string()).and_then(|value| {
            // So does a Secret serialize, and "***" would be a password that nobody means.
            if value.as_str() == Some(secrecy::HIDDEN) {
                Err("a Secret hides itself; set what its expose() gives".to_owned())
            } else {
                Ok(value)
            }
        });
        Self { path, value, at }
    }
}

/// A line of the program, as an origin.
pub(crate) fn line(at: &'static Location<'static>) -> Origin {
    Origin::new(Layer::Program, format!("{}:{}", at.file(), at.line()))
}
