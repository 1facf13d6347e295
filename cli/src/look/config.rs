//! `larder config`: what a configuration says, whether it is right, and how two differ. Connects to nothing.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::key::pretty;
use crate::{
    exit::{Failure, Outcome},
    open::Source,
    screen::say,
};

/// What may be said to `larder config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Whether the configuration is right; with everything that is wrong, where it stands and what would be accepted.
    Check {
        /// Advice is a reason for exit code 1.
        #[arg(long)]
        strict: bool,
    },
    /// Every value in effect with the file, line or variable it came from. Secrets are hidden.
    Explain {
        /// Only keys that begin so: stores.main
        #[arg(value_name = "KEY")]
        key: Option<String>,
    },
    /// The JSON Schema of a configuration, for editors.
    Schema,
    /// What differs between this configuration and another. Secrets are hidden, so a difference between two is not seen.
    Diff {
        /// The other configuration's file.
        #[arg(value_name = "FILE")]
        other: PathBuf,
    },
}

/// Does it.
pub(crate) fn run(arguments: &Config, as_json: bool) -> Result<Outcome, Failure> {
    let source = &arguments.source;
    match &arguments.what {
        What::Check { strict } => check(source, *strict, as_json),
        What::Explain { key } => explain(source, key.as_deref(), as_json),
        What::Schema => {
            say(&pretty(&larder::schema(&source.registry())));
            Ok(Outcome::Done)
        }
        What::Diff { other } => {
            diff(source, &Source { config: Some(other.clone()), ..source.clone() }, as_json)
        }
    }
}

fn check(source: &Source, strict: bool, as_json: bool) -> Result<Outcome, Failure> {
    let larder = source.open()?;
    let advice: Vec<String> = larder.advice().iter().map(ToString::to_string).collect();
    let count = |section: &str| {
        let names: std::collections::BTreeSet<&str> = larder
            .explain()
            .settings()
            .iter()
            .filter_map(|setting| setting.key.strip_prefix(section)?.split('.').next())
            .collect();
        names.len()
    };
    let (stores, caches) = (count("stores."), count("caches."));
    if as_json {
        say(&pretty(&json!({ "right": true, "stores": stores, "caches": caches, "advice": advice })));
    } else {
        advice.iter().for_each(|advice| say(&format!("advice: {advice}")));
        say(&format!("right: {stores} stores, {caches} caches, {} pieces of advice", advice.len()));
    }
    Ok(if strict && !advice.is_empty() { Outcome::No } else { Outcome::Done })
}

fn explain(source: &Source, key: Option<&str>, as_json: bool) -> Result<Outcome, Failure> {
    let larder = source.open()?;
    let explanation = larder.explain();
    if key.is_none() && !as_json {
        say(explanation.to_string().trim_end());
        return Ok(Outcome::Done);
    }
    let fits = |own: &str| {
        key.is_none_or(|key| {
            own.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let chosen: Vec<_> = explanation.settings().iter().filter(|setting| fits(&setting.key)).collect();
    if as_json {
        let all: Vec<_> = chosen
            .iter()
            .map(|setting| {
                json!({ "key": setting.key, "value": setting.value, "origin": setting.origin.to_string(), "inherited": setting.inherited })
            })
            .collect();
        say(&pretty(&json!(all)));
    } else {
        chosen
            .iter()
            .for_each(|setting| say(&format!("{} = {}  # {}", setting.key, setting.value, setting.origin)));
    }
    Ok(if chosen.is_empty() { Outcome::No } else { Outcome::Done })
}

fn diff(one: &Source, other: &Source, as_json: bool) -> Result<Outcome, Failure> {
    let settings = |source: &Source| -> Result<BTreeMap<String, String>, Failure> {
        let larder = source.open()?;
        Ok(larder
            .explain()
            .settings()
            .iter()
            .map(|setting| (setting.key.clone(), setting.value.clone()))
            .collect())
    };
    let (one, other) = (settings(one)?, settings(other)?);
    let mut differences = Vec::new();
    for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
        let (before, after) = (one.get(key), other.get(key));
        if before != after {
            differences.push(json!({ "key": key, "before": before, "after": after }));
            if !as_json {
                before.into_iter().for_each(|value| say(&format!("- {key} = {value}")));
                after.into_iter().for_each(|value| say(&format!("+ {key} = {value}")));
            }
        }
    }
    if as_json {
        say(&pretty(&json!(differences)));
    }
    Ok(if differences.is_empty() { Outcome::Done } else { Outcome::No })
}
