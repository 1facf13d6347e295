//! Where the layers come from.

use std::{panic::Location, path::PathBuf};

use figment::value::Value;
use serde::Serialize;

use super::{
    environment::Environment,
    origin::{Layer, Origin},
    secrecy,
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
    pub(super) path: String,
    pub(super) value: Result<Value, String>,
    pub(super) at: Origin,
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
        Self { path, value, at: line(at) }
    }
}

/// A line of the program, as an origin.
pub(crate) fn line(at: &'static Location<'static>) -> Origin {
    Origin::new(Layer::Program, format!("{}:{}", at.file(), at.line()))
}
