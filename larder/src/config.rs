//! The layered configuration: where values come from, what is wrong with them, and how they are explained.
//!
//! | layer, later wins | |
//! |---|---|
//! | built-in defaults | shown by [`Larder::explain`](crate::Larder::explain) |
//! | the file | `larder.toml`, `.yaml`, `.yml` or `.json`, or the one that is named |
//! | the profile | the section `[profiles.NAME]`, then the file `larder.NAME.toml` beside the other |
//! | the environment | `LARDER_STORES__MAIN__URL` is `stores.main.url` |
//! | the program | [`LarderBuilder::set`](crate::LarderBuilder::set) |
//!
//! `docs/configuration.md` in the repository has every rule with an example.

mod advice;
mod de;
mod environment;
mod error;
mod explain;
mod file;
mod hints;
mod layers;
mod origin;
mod parse;
mod path;
mod places;
mod profiles;
mod provided;
mod reference;
mod secrecy;
mod section;
mod show;
mod sources;
mod text;
mod tree;
mod variable_names;

pub use self::{
    advice::Advice,
    error::{ConfigError, Mistake},
    explain::{Explanation, Setting},
    origin::{Layer, Origin, Position},
};
pub(crate) use self::{
    environment::Environment,
    error::Mistakes,
    layers::{Known, Loaded, load},
    path::KeyPath,
    provided::nest,
    secrecy::quoted,
    section::{Section, did_you_mean},
    sources::{Set, Sources, line},
    text::{fold, list},
    tree::Tree,
};
