//! The key of a read from Solr: its parameters, wherever they stand. A query by GET, by form and as JSON is one query.

use std::collections::BTreeMap;

use super::{Endpoint, classify};
use crate::{
    canonical::{Digester, Keep, Limits, canonical, canonical_member, sorted},
    datemath::{Clock, UTC, Zone, next_change, solr_steps, zone},
    json::members::{Elements, Members, text_of},
    query,
    request::{Life, NotKeyed, Request, Rules, add_header, add_principal, tag},
    search::{Targets, path},
};

/// A request that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key.
    pub digest: [u8; 32],
    /// The collections that its answer depends on.
    pub targets: Targets,
    /// It sees writes before a commit.
    pub real_time: bool,
    /// How long its answer may be stored by what was asked.
    pub life: Life,
}

/// Names with their values: sorted by name, and in each name as they came.
type Multimap = BTreeMap<String, Vec<String>>;

/// The key of a request that [`classify`](super::classify) calls a read.
///
/// # Errors
/// [`NotKeyed`] says why it passes.
pub fn key(request: &Request<'_>, rules: &Rules) -> Result<Keyed, NotKeyed> {
    let Endpoint::Read { mut targets, real_time } = classify(request.method, request.path, request.query)
    else {
        return Err(NotKeyed::NotARead);
    };
    if request.refuses_caches() {
        return Err(NotKeyed::ClientAsked);
    }
    if request.body.len() > rules.limits.max_bytes {
        return Err(NotKeyed::TooLong);
    }
    let mut parameters = Multimap::new();
    add_form(request.query.unwrap_or_default(), &mut parameters)?;
    add_body(request, rules.limits, &mut parameters)?;
    parameters.remove("_");
    // A set: all of them must hold.
    if let Some(filters) = parameters.get_mut("fq") {
        filters.sort();
        filters.dedup();
    }
    if let Some(facet) = parameters.get_mut("json.facet")
        && let [text] = &mut facet[..]
        && let Ok(form) = canonical_member(text.as_bytes(), rules.limits, facets, facets(b"facet"))
    {
        *text = String::from_utf8(form).map_err(|_| NotKeyed::Unreadable)?;
    }
    look(&parameters, &mut targets)?;
    let life = Life::by(clock(&parameters, request), rules.running_clock, request.now)?;

    let mut digester = Digester::new("solr");
    digester.field(tag::SCOPE, rules.scope.as_bytes());
    for segment in path::segments(request.path.trim_end_matches('/')).ok_or(NotKeyed::NotARead)? {
        digester.field(tag::SEGMENT, segment.text.as_bytes());
    }
    for (name, values) in &parameters {
        digester.field(tag::PARAMETER, name.as_bytes());
        values.iter().for_each(|value| digester.field(tag::VALUE, value.as_bytes()));
    }
    add_header(request, "accept", &mut digester);
    add_principal(request, rules, &mut digester)?;
    Ok(Keyed { digest: digester.finish(), targets, real_time, life })
}

fn add_form(text: &str, parameters: &mut Multimap) -> Result<(), NotKeyed> {
    for (name, value) in query::parse(text).ok_or(NotKeyed::Query)?.0 {
        parameters.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    Ok(())
}

fn add_body(request: &Request<'_>, limits: Limits, parameters: &mut Multimap) -> Result<(), NotKeyed> {
    if request.body.is_empty() {
        return Ok(());
    }
    let mut types = request.headers("content-type");
    let (Some(content_type), None) = (types.next(), types.next()) else { return Err(NotKeyed::Unreadable) };
    let content_type = content_type.to_ascii_lowercase();
    let mut parts = content_type.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    // Solr reads a form by its charset.
    if parts.any(|parameter| {
        parameter.starts_with(b"charset") && !matches!(parameter, b"charset=utf-8" | b"charset=\"utf-8\"")
    }) {
        return Err(NotKeyed::Unreadable);
    }
    match name {
        b"application/x-www-form-urlencoded" => {
            add_form(std::str::from_utf8(request.body).map_err(|_| NotKeyed::Query)?, parameters)
        }
        b"application/json" | b"text/json" => add_json(request.body, limits, parameters),
        _ => Err(NotKeyed::Unreadable),
    }
}

/// A query as JSON. Solr reads much that is not strict JSON; that passes.
fn add_json(body: &[u8], limits: Limits, parameters: &mut Multimap) -> Result<(), NotKeyed> {
    // Once for its faults: names that come twice, depth.
    canonical(body, limits, facets)
        .map_err(|fault| if fault.is_limit() { NotKeyed::TooDeep } else { NotKeyed::Unreadable })?;
    let mut added = Vec::new();
    for member in Members::new(body) {
        let member = member.map_err(|_| NotKeyed::Unreadable)?;
        let name = std::str::from_utf8(&member.name).map_err(|_| NotKeyed::Unreadable)?;
        let same = match name {
            "query" => Some("q"),
            "filter" => Some("fq"),
            "fields" => Some("fl"),
            "sort" => Some("sort"),
            "limit" => Some("rows"),
            "offset" => Some("start"),
            _ => None,
        };
        if name == "params" {
            for parameter in Members::new(member.value) {
                let parameter = parameter.map_err(|_| NotKeyed::Unreadable)?;
                let name =
                    String::from_utf8(parameter.name.into_owned()).map_err(|_| NotKeyed::Unreadable)?;
                added.push((name, plain(parameter.value).ok_or(NotKeyed::Unreadable)?));
            }
        } else if let (Some(same), Some(values)) = (same, plain(member.value)) {
            added.push((same.to_owned(), values));
        } else {
            let form = canonical_member(member.value, limits, facets, facets(name.as_bytes()))
                .map_err(|_| NotKeyed::Unreadable)?;
            added.push((
                format!("json.{name}"),
                vec![String::from_utf8(form).map_err(|_| NotKeyed::Unreadable)?],
            ));
        }
    }
    for (name, values) in added {
        // Which of two counts, if it is not a set, is Solr's to say: such a request passes.
        if name != "fq" && parameters.contains_key(&name) {
            return Err(NotKeyed::Unreadable);
        }
        parameters.entry(name).or_default().extend(values);
    }
    Ok(())
}

/// The values of a parameter: a string, a number, a truth value, or a list of them.
fn plain(value: &[u8]) -> Option<Vec<String>> {
    let one = |value: &[u8]| match value.first()? {
        b'"' => String::from_utf8(text_of(value)?.into_owned()).ok(),
        b'{' | b'[' | b'n' => None,
        _ => String::from_utf8(value.to_vec()).ok(),
    };
    if value.first() == Some(&b'[') {
        Elements::new(value).map(|element| one(element.ok()?)).collect()
    } else {
        one(value).map(|value| vec![value])
    }
}

/// The answer lists facets in the order of the question.
fn facets(name: &[u8]) -> Keep {
    if name == b"facet" || name == b"json.facet" { Keep::All } else { sorted(name) }
}

/// What keeps an answer from being stored, and what it reads besides its collection.
fn look(parameters: &Multimap, targets: &mut Targets) -> Result<(), NotKeyed> {
    for (name, values) in parameters {
        match name.as_str() {
            "qt" | "shards.qt" | "json" => return Err(NotKeyed::NotARead),
            name if name.starts_with("stream.") => return Err(NotKeyed::NotARead),
            name if name.starts_with("debug") => return Err(NotKeyed::Profile),
            // They build something on the server.
            name if name.contains(".build") || name.contains(".reload") => {
                return Err(NotKeyed::Stateful);
            }
            name if name == "shards" || name.ends_with("collection") => targets.add_everything(),
            _ => {}
        }
        // A join with another collection.
        if values.iter().any(|value| value.contains("fromIndex")) {
            targets.add_everything();
        }
    }
    Ok(())
}

/// What a query has to do with the clock, by `NOW` in any of its values.
fn clock(parameters: &Multimap, request: &Request<'_>) -> Clock {
    // Pinned.
    if let Some(now) = parameters.get("NOW") {
        let pinned = now.len() == 1 && now.iter().all(|now| now.parse::<u64>().is_ok());
        return if pinned { Clock::Still } else { Clock::Running };
    }
    let zone = match parameters.get("TZ").map(Vec::as_slice) {
        None => UTC,
        Some([name]) => zone(name),
        Some(_) => Zone::Named,
    };
    parameters.values().flatten().fold(Clock::Still, |clock, value| clock.and(clock_of(value, request, zone)))
}

fn clock_of(value: &str, request: &Request<'_>, zone: Zone) -> Clock {
    // What a function without arguments counts from is now.
    if value.contains("ms()") {
        return Clock::Running;
    }
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut clock = Clock::Still;
    for (at, _) in value.match_indices("NOW") {
        let after = &value[at + 3..];
        if value[..at].ends_with(in_word) || after.starts_with(in_word) {
            continue;
        }
        let steps = solr_steps(after)
            .filter(|(_, rest)| !rest.starts_with(|next: char| in_word(next) || "+-/\\".contains(next)));
        clock = clock.and(steps.map_or(Clock::Running, |(steps, _)| next_change(&steps, request.now, zone)));
        if clock == Clock::Running {
            break;
        }
    }
    clock
}
