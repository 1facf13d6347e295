//! Requests of many: `_msearch` and `_mget`, taken apart so that only what is missing goes upstream, and their answers put
//! together again in order. What is in an answer is never written anew: each item is the bytes that the engine sent.

use super::{
    Endpoint, Keyed, ReadKind, Targets, Why,
    answer::etag,
    classify,
    key::{COST_ONLY, Frame},
    order::order,
};
use crate::{
    canonical::canonical,
    json::members::{Elements, Members, text_of},
    query,
    request::{NotKeyed, Request, Rules, tag},
};

/// The most items that are kept apart.
const MAX_ITEMS: usize = 1024;

/// A request, taken apart.
#[derive(Debug)]
pub struct Many<'a> {
    /// In their order.
    pub items: Vec<Item<'a>>,
    shape: Shape,
}

/// One search or one document.
#[derive(Debug)]
pub struct Item<'a> {
    /// Its key, or why its answer is not stored.
    pub key: Result<Keyed, NotKeyed>,
    parts: (&'a [u8], &'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Searches,
    Documents,
    Identifiers,
}

/// Takes an `_msearch` apart: a header and a body line for each search.
///
/// # Errors
/// [`NotKeyed`], if the whole request is to pass: it is none, or its form or the asked-for form of its answer does not allow
/// to be taken apart.
pub fn msearch<'a>(request: &'a Request<'a>, rules: &'a Rules) -> Result<Many<'a>, NotKeyed> {
    let Endpoint::Msearch { targets, template } = classify(request.method, request.path, request.query)
    else {
        return Err(NotKeyed::NotARead);
    };
    let kind = if template { ReadKind::MsearchTemplateItem } else { ReadKind::MsearchItem };
    let parameters = separable(request, rules)?;
    let frame = Frame::new(request, rules, kind, &parameters, None)?;
    // The last line has an end; otherwise the engine refuses it.
    let body = request.body.strip_suffix(b"\n").ok_or(NotKeyed::Inseparable)?;
    let mut lines = body.split(|&byte| byte == b'\n');
    let mut items = Vec::new();
    while let Some(header) = lines.next() {
        let search =
            lines.next().filter(|line| !line.trim_ascii().is_empty()).ok_or(NotKeyed::Inseparable)?;
        // Servers differ in whether an empty first line is a header.
        let unclear = items.is_empty() && header.trim_ascii().is_empty();
        if unclear || items.len() == MAX_ITEMS {
            return Err(NotKeyed::Inseparable);
        }
        let mut frame = frame.clone();
        let key = add_header_line(&mut frame, header, &targets, rules)
            .and_then(|targets| frame.finish(targets, false, search, true));
        items.push(Item { key, parts: (header, search) });
    }
    Ok(Many { items, shape: Shape::Searches })
}

/// Adds the header of a search to its key, and says what the search is about.
fn add_header_line(
    frame: &mut Frame<'_>,
    line: &[u8],
    path: &Targets,
    rules: &Rules,
) -> Result<Targets, NotKeyed> {
    let line = line.trim_ascii();
    let mut targets = None;
    let mut counted = Vec::new();
    for member in Members::new(if line.is_empty() { b"{}" } else { line }) {
        let member = member.map_err(|_| NotKeyed::Inseparable)?;
        let value = member.value;
        match &*member.name {
            b"index" | b"indices" => targets = Some(targets_of(value, path)?),
            b"request_cache" if !matches!(value, b"true" | b"null") => return Err(NotKeyed::RequestCache),
            b"search_type" if text_of(value).is_none_or(|text| &*text == b"dfs_query_then_fetch") => {
                return Err(NotKeyed::DfsQueryThenFetch);
            }
            b"wait_for_checkpoints" => return Err(NotKeyed::WaitForCheckpoints),
            _ => {}
        }
        let cost_only = COST_ONLY.iter().any(|name| name.as_bytes() == &*member.name);
        if !(cost_only || rules.ignore_preference && *member.name == *b"preference") {
            let value = canonical(value, rules.limits, order).map_err(|_| NotKeyed::Inseparable)?;
            counted.push((member.name, value));
        }
    }
    counted.sort();
    if counted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(NotKeyed::Inseparable);
    }
    for (name, value) in counted {
        frame.digester().field(tag::HEADER_LINE, &name);
        frame.digester().field(tag::VALUE, &value);
    }
    Ok(targets.unwrap_or_else(|| path.clone()))
}

/// An index or a list of them.
fn targets_of(value: &[u8], path: &Targets) -> Result<Targets, NotKeyed> {
    let text = |value: &[u8]| {
        let text = text_of(value).and_then(|text| String::from_utf8(text.into_owned()).ok());
        text.ok_or(NotKeyed::Inseparable)
    };
    match value.first() {
        Some(b'n') => Ok(path.clone()),
        Some(b'[') => {
            let mut targets = Targets::nothing();
            for element in Elements::new(value) {
                targets.add(&text(element.map_err(|_| NotKeyed::Inseparable)?)?);
            }
            if targets == Targets::nothing() { Ok(Targets::everything()) } else { Ok(targets) }
        }
        _ => Ok(Targets::parse(&text(value)?)),
    }
}

/// Takes an `_mget` apart: `docs`, or `ids` of the path's index.
///
/// # Errors
/// As [`msearch`].
pub fn mget<'a>(request: &'a Request<'a>, rules: &'a Rules) -> Result<Many<'a>, NotKeyed> {
    let Endpoint::Mget { targets, real_time } = classify(request.method, request.path, request.query) else {
        return Err(NotKeyed::NotARead);
    };
    let parameters = separable(request, rules)?;
    let frame = Frame::new(request, rules, ReadKind::MgetItem, &parameters, None)?;
    let body = request.body;
    if body.len() > rules.limits.max_bytes {
        return Err(NotKeyed::TooLong);
    }
    let mut members = Members::new(body);
    let (Some(Ok(member)), None) = (members.next(), members.next()) else {
        return Err(NotKeyed::Inseparable);
    };
    let shape = match &*member.name {
        b"docs" => Shape::Documents,
        b"ids" => Shape::Identifiers,
        _ => return Err(NotKeyed::Inseparable),
    };
    let mut items = Vec::new();
    for element in Elements::new(member.value) {
        let element = element.map_err(|_| NotKeyed::Inseparable)?;
        if items.len() == MAX_ITEMS {
            return Err(NotKeyed::Inseparable);
        }
        let key = if shape == Shape::Identifiers {
            let document = [b"{\"_id\":", element, b"}"].concat();
            frame.clone().finish(targets.clone(), real_time, &document, true)
        } else if element.first() == Some(&b'{') {
            // What it names itself is found in it.
            let names = Members::new(element).flatten().any(|member| *member.name == *b"_index");
            let targets = if names { Targets::nothing() } else { targets.clone() };
            frame.clone().finish(targets, real_time, element, true)
        } else {
            return Err(NotKeyed::Inseparable);
        };
        items.push(Item { key, parts: (element, &[]) });
    }
    if items.is_empty() { Err(NotKeyed::Inseparable) } else { Ok(Many { items, shape }) }
}

/// The parameters of a request whose answer is JSON and is not cut.
fn separable<'a>(request: &Request<'a>, rules: &Rules) -> Result<query::Parameters<'a>, NotKeyed> {
    if request.body.len() > rules.limits.max_bytes {
        return Err(NotKeyed::TooLong);
    }
    let parameters = query::parse(request.query.unwrap_or_default()).ok_or(NotKeyed::Query)?;
    let cut = ["filter_path", "source"].into_iter().any(|name| parameters.get(name).is_some());
    let json = parameters.get("format").is_none_or(|format| format == "json");
    let accepts = |value: &[u8]| {
        let value = value.to_ascii_lowercase();
        value.windows(4).any(|word| word == b"json") || value.windows(3).any(|word| word == b"*/*")
    };
    if cut || !json || !request.headers("accept").all(accepts) {
        return Err(NotKeyed::Inseparable);
    }
    Ok(parameters)
}

impl Many<'_> {
    /// The body that asks for these items alone, by their places, in the order in which they are given. Places that do not exist
    /// are left out.
    pub fn body_for(&self, places: &[usize]) -> Vec<u8> {
        let items = places.iter().filter_map(|&place| self.items.get(place));
        let mut body = Vec::new();
        if self.shape == Shape::Searches {
            for item in items {
                for line in [item.parts.0, item.parts.1] {
                    body.extend_from_slice(line);
                    body.push(b'\n');
                }
            }
            return body;
        }
        body.extend_from_slice(if self.shape == Shape::Documents { b"{\"docs\":[" } else { b"{\"ids\":[" });
        for (at, item) in items.enumerate() {
            body.extend_from_slice(if at > 0 { b"," } else { b"" });
            body.extend_from_slice(item.parts.0);
        }
        body.extend_from_slice(b"]}");
        body
    }

    /// The items of an answer to [`body_for`](Self::body_for) so many, in order: slices of it. Each is to pass
    /// [`storable`](super::storable) alone, with status 200, before it is stored.
    ///
    /// # Errors
    /// [`Why`], if it does not look like an answer to all of them; then the whole request is to be forwarded.
    pub fn answers<'b>(&self, status: u16, body: &'b [u8], count: usize) -> Result<Answers<'b>, Why> {
        if status != 200 {
            return Err(Why::Status);
        }
        if std::str::from_utf8(body).is_err() {
            return Err(Why::Broken);
        }
        let mut answers = Answers { took: None, items: Vec::with_capacity(count.min(MAX_ITEMS)) };
        let mut found = false;
        let list: &[u8] = if self.shape == Shape::Searches { b"responses" } else { b"docs" };
        for member in Members::new(body) {
            let member = member.map_err(|_| Why::Broken)?;
            if *member.name == *list {
                if std::mem::replace(&mut found, true) {
                    return Err(Why::Broken);
                }
                for element in Elements::new(member.value) {
                    answers.items.push(element.map_err(|_| Why::Broken)?);
                }
            } else if *member.name == *b"took" {
                answers.took = std::str::from_utf8(member.value).ok().and_then(|took| took.parse().ok());
            }
        }
        if answers.items.len() == count { Ok(answers) } else { Err(Why::Broken) }
    }

    /// The answer to the whole request, of its items in order. `took` is in milliseconds, and only searches have it.
    pub fn merge(&self, took: u64, items: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::with_capacity(32 + items.iter().map(|item| item.len() + 1).sum::<usize>());
        if self.shape == Shape::Searches {
            body.extend_from_slice(format!("{{\"took\":{took},\"responses\":[").as_bytes());
        } else {
            body.extend_from_slice(b"{\"docs\":[");
        }
        for (at, item) in items.iter().enumerate() {
            body.extend_from_slice(if at > 0 { b"," } else { b"" });
            body.extend_from_slice(item);
        }
        body.extend_from_slice(b"]}");
        body
    }

    /// A strong entity tag of the answer that [`merge`](Self::merge) makes of these items: equal for those that differ in `took`
    /// alone.
    pub fn etag(items: &[&[u8]]) -> String {
        etag(items.iter().flat_map(|item| {
            let took = Members::new(item).flatten().find(|member| *member.name == *b"took");
            let at = took.map_or(item.len()..item.len(), |took| took.at);
            [&item[..at.start], &item[at.end..]]
        }))
    }
}

/// The items of an answer.
#[derive(Debug)]
pub struct Answers<'b> {
    /// In milliseconds, if it says so.
    pub took: Option<u64>,
    /// As they stand.
    pub items: Vec<&'b [u8]>,
}
