//! `larder doctor`: advice on a configuration and on the stores it names, which are asked.

use clap::Args;
use larder::backend::GetOptions;
use larder::key::{Namespace, StoreKey};
use serde_json::json;

use super::{key::pretty, ping::store_names, place_of, wait};
use crate::{
    exit::{Failure, Outcome},
    open::Source,
    screen::say,
};

/// What may be said to `larder doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    source: Source,
}

/// Says what is worth a look.
pub(crate) fn run(arguments: &Doctor, as_json: bool) -> Result<Outcome, Failure> {
    wait(async {
        let larder = arguments.source.open()?;
        let (mut failed, mut stores) = (Vec::new(), Vec::new());
        let namespace = Namespace::new("larder-doctor", 0)?;
        let key = larder::Key::new("probe");
        for name in store_names(&larder) {
            let Some(store) = larder.store(&name) else { continue };
            // A store says what it has noticed of its server once it has talked to it.
            if let Err(why) = store.get(&StoreKey::new(&namespace, &key), &GetOptions::new()).await {
                failed.push(format!("the store {name:?} ({}): {}", place_of(&larder, &name), why.chain()));
                continue;
            }
            let capabilities = store.capabilities();
            stores.push(json!({
                "store": name,
                "place": place_of(&larder, &name),
                "shared": capabilities.shared,
                "survives_restart": capabilities.survives_restart,
                "deadline": capabilities.deadline.map(|deadline| format!("{deadline:?}")),
            }));
            if as_json {
                continue;
            }
            say(&format!(
                "{name} ({}): answers; shared between processes: {}; survives a restart: {}; deadline: {}",
                place_of(&larder, &name),
                yes(capabilities.shared),
                yes(capabilities.survives_restart),
                capabilities.deadline.map_or_else(|| "none".to_owned(), |deadline| format!("{deadline:?}"))
            ));
        }
        let advice: Vec<String> = larder.advice().iter().map(ToString::to_string).collect();
        if as_json {
            say(&pretty(&json!({ "stores": stores, "advice": advice, "failed": failed })));
        } else {
            advice.iter().for_each(|advice| say(&format!("advice: {advice}")));
        }
        if !failed.is_empty() {
            return Err(Failure::new(failed.join("; ")));
        }
        if advice.is_empty() {
            if !as_json {
                say("nothing to say");
            }
            return Ok(Outcome::Done);
        }
        Ok(Outcome::No)
    })
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
