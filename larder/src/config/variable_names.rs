//! What the names of our variables look like, and those that look like one and are none. Left alone, a near miss would be a
//! setting that somebody believes to hold.

use super::text;

pub(super) const PREFIX: &str = "LARDER_";
pub(super) const SEPARATOR: &str = "__";
/// The variable that names the configuration file.
pub(super) const FILE: &str = "LARDER_CONFIG";
/// The variable that names the profile.
pub(super) const PROFILE: &str = "LARDER_PROFILE";

/// What is wrong with a name that looks like one of ours; `None` for one of ours, and for those of others.
pub(super) fn near_miss(name: &str, sections: &[&str]) -> Option<String> {
    let start = name.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX))?;
    let rest = name.get(PREFIX.len()..).unwrap_or_default();
    let upper = rest.to_ascii_uppercase();
    let section = section(&upper, sections);
    if start != PREFIX {
        let is_ours = section.is_some() || upper.contains(SEPARATOR) || is_file_or_profile(&upper).is_some();
        return is_ours.then(|| {
            format!(
                "the name is in lower case and has no effect; did you mean {}?",
                text::cut(&format!("{PREFIX}{upper}"), text::LONGEST)
            )
        });
    }
    if rest.contains(SEPARATOR) {
        return half_separated(&upper, section?);
    }
    // Kubernetes sets LARDER_PORT and its like for a service that is called larder, LARDER_CACHE_PORT for larder-cache.
    if is_of_kubernetes(&upper) {
        return None;
    }
    if let Some(known) = is_file_or_profile(&upper) {
        return Some(format!("there is no such variable; did you mean {known}?"));
    }
    let (section, after) = section?;
    let meant = match (section, after.split_once('_')) {
        ("DEFAULTS", _) => format!("{section}{SEPARATOR}{after}"),
        (_, Some((name, key))) => format!("{section}{SEPARATOR}{name}{SEPARATOR}{key}"),
        _ => format!("{section}{SEPARATOR}NAME{SEPARATOR}KEY"),
    };
    Some(separate(&meant))
}

/// `LARDER_STORES__MAIN_URL` names a store and no setting.
fn half_separated(upper: &str, (section, _): (&'static str, &str)) -> Option<String> {
    let mut parts = upper.split(SEPARATOR);
    let (first, second) = (parts.next()?, parts.next()?);
    if section == "DEFAULTS" || first != section || second.is_empty() || parts.next().is_some() {
        return None;
    }
    let (name, key) = second.split_once('_').unwrap_or((second, "KEY"));
    Some(separate(&format!("{section}{SEPARATOR}{name}{SEPARATOR}{key}")))
}

fn separate(meant: &str) -> String {
    let meant = format!("{PREFIX}{meant}");
    format!(
        "the parts of the name are separated by two underscores; did you mean {}?",
        text::cut(&meant, text::LONGEST)
    )
}

/// The section whose name this one begins with, in singular or plural, and what follows.
fn section<'n>(upper: &'n str, sections: &[&str]) -> Option<(&'static str, &'n str)> {
    ["DEFAULTS", "STORES", "CODECS", "CACHES"].into_iter().find_map(|section| {
        let is_known = sections.iter().any(|known| known.eq_ignore_ascii_case(section));
        let after =
            upper.strip_prefix(section).or_else(|| upper.strip_prefix(&section[..section.len() - 1]))?;
        let ends = after.is_empty() || after.starts_with('_');
        (is_known && ends).then(|| (section, after.trim_start_matches('_')))
    })
}

/// What a name stands for that is nearly, or in other words, the one of the file or the profile.
fn is_file_or_profile(upper: &str) -> Option<&'static str> {
    match upper {
        "FILE" | "CONF" | "CONFIG_FILE" | "CONFIG_PATH" | "CONFIGURATION" => Some(FILE),
        "ENV" | "ENVIRONMENT" | "PROFILES" => Some(PROFILE),
        _ if upper.len() < 4 => None,
        _ => match text::nearest(upper, ["CONFIG", "PROFILE"])? {
            "CONFIG" => Some(FILE),
            _ => Some(PROFILE),
        },
    }
}

/// Whether Kubernetes may have set it, for a service whose name begins like one of our variables.
fn is_of_kubernetes(upper: &str) -> bool {
    let is_port = |rest: &str| {
        let mut parts = rest.split('_');
        let number = parts.next().is_some_and(|part| part.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|part| ["TCP", "UDP", "SCTP"].contains(&part));
        let what = parts.next().is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part));
        number && protocol && what && parts.next().is_none()
    };
    let of_port = upper.rsplit_once("PORT_").is_some_and(|(_, rest)| is_port(rest))
        || upper.split_once("PORT_").is_some_and(|(_, rest)| is_port(rest));
    of_port
        || ["SERVICE_HOST", "PORT"].iter().any(|end| upper == *end || upper.ends_with(&format!("_{end}")))
        || upper.contains("SERVICE_PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: [&str; 4] = ["defaults", "stores", "codecs", "caches"];

    #[test]
    fn near_misses_are_told_what_was_meant() {
        for (name, meant) in [
            ("larder_stores__main__url", "LARDER_STORES__MAIN__URL"),
            ("larder_config", "LARDER_CONFIG"),
            ("Larder_Profile", "LARDER_PROFILE"),
            ("LARDER_DEFAULT_TTL", "LARDER_DEFAULTS__TTL"),
            ("LARDER_DEFAULTS_STALE_IF_ERROR", "LARDER_DEFAULTS__STALE_IF_ERROR"),
            ("LARDER_CACHE_SEARCH_MAX_VALUE", "LARDER_CACHES__SEARCH__MAX_VALUE"),
            ("LARDER_STORES_MAIN_URL", "LARDER_STORES__MAIN__URL"),
            ("LARDER_STORES__MAIN_URL", "LARDER_STORES__MAIN__URL"),
            ("LARDER_STORES__MAIN", "LARDER_STORES__MAIN__KEY"),
            ("LARDER_STORES", "LARDER_STORES__NAME__KEY"),
            ("LARDER_CONFIG_FILE", "LARDER_CONFIG"),
            ("LARDER_CONIFG", "LARDER_CONFIG"),
            ("LARDER_PROFIL", "LARDER_PROFILE"),
            ("LARDER_ENV", "LARDER_PROFILE"),
        ] {
            let why = near_miss(name, &SECTIONS).unwrap_or_else(|| panic!("{name} is left alone"));
            assert!(why.ends_with(&format!("did you mean {meant}?")), "{name}: {why}");
        }
    }

    #[test]
    fn ours_and_those_of_others_are_left_alone() {
        for name in [
            "LARDER_STORES__MAIN__URL",
            "LARDER_DEFAULTS__TTL",
            "LARDER_PORT",
            "LARDER_SERVICE_HOST",
            "LARDER_PORT_6379_TCP_ADDR",
            "LARDER_CACHE_SERVICE_HOST",
            "LARDER_CACHE_SERVICE_PORT_HTTP",
            "LARDER_CACHE_PORT_6379_TCP",
            "LARDER_STORES_PORT",
            "LARDER_LOG",
            "larder_log",
            "PATH",
            "LARDERS_STORES_MAIN",
            "é",
        ] {
            assert_eq!(near_miss(name, &SECTIONS), None, "{name}");
        }
    }
}
