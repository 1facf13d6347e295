//! What a body contains besides a question: what keeps its answer from being stored, what it has to do with the clock, and other
//! indices that it reads.

use std::time::SystemTime;

use super::{ReadKind, Targets};
use crate::{
    datemath::{Clock, UTC, Zone, elastic_steps, next_change, zone},
    json::{tape::Tape, walk::Kind},
    request::NotKeyed,
};

/// The most expressions with `now` that are looked at one by one.
const MAX_EXPRESSIONS: usize = 64;

/// What was found.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) clock: Clock,
    /// What is read besides the request's targets.
    pub(crate) targets: Targets,
}

impl Findings {
    pub(crate) fn none() -> Self {
        Self { clock: Clock::Still, targets: Targets::nothing() }
    }
}

/// Looks through a body.
pub(crate) fn inspect(tape: &Tape<'_>, kind: ReadKind, now: SystemTime) -> Result<Findings, NotKeyed> {
    let mut findings = Findings::none();
    top_level(tape, kind, &mut findings)?;
    // Up to here, `now` may stand anywhere in a text, and not only at its beginning.
    let mut loose_until = 0;
    let mut expressions = Vec::new();
    let templated = is_template(kind);
    for (index, &node) in (0..).zip(tape.nodes()) {
        let name = tape.name(node);
        if !name.is_empty() && named(tape, index, name, &mut findings)? {
            loose_until = loose_until.max(node.after);
        }
        if node.is_text() {
            let value = tape.value(node);
            if calls_for_another_answer(value) {
                return Err(NotKeyed::Script);
            }
            if templated && hides(value) {
                return Err(NotKeyed::Unreadable);
            }
            let anywhere = index < loose_until || matches!(kind, ReadKind::Sql | ReadKind::Esql);
            if mentions_now(value, anywhere) {
                expressions.push((index, anywhere));
            }
        }
    }
    if expressions.len() > MAX_EXPRESSIONS {
        findings.clock = Clock::Running;
        return Ok(findings);
    }
    for (index, anywhere) in expressions {
        let value = tape.value(tape.node(index));
        let clock = match std::str::from_utf8(value) {
            Ok(_) if matches!(kind, ReadKind::Sql | ReadKind::Esql) => Clock::Running,
            // The zone stands in the template's text.
            Ok(text) if templated => clock_of(text, anywhere, now, Zone::Named),
            Ok(text) => clock_of(text, anywhere, now, zone_around(tape, index)),
            Err(_) => Clock::Running,
        };
        findings.clock = findings.clock.and(clock);
    }
    Ok(findings)
}

/// What counts only as a member of the body itself.
fn top_level(tape: &Tape<'_>, kind: ReadKind, findings: &mut Findings) -> Result<(), NotKeyed> {
    let has = |name: &[u8]| tape.member(0, name).is_some_and(|member| tape.raw(tape.node(member)) != b"null");
    if tape.member(0, b"profile").is_some_and(|member| tape.node(member).kind != Kind::False) {
        return Err(NotKeyed::Profile);
    }
    let stateful: [&[u8]; 7] = [
        b"pit",
        b"cursor",
        b"scroll",
        b"scroll_id",
        b"wait_for_completion_timeout",
        b"keep_on_completion",
        b"keep_alive",
    ];
    if stateful.into_iter().any(has) {
        return Err(NotKeyed::Stateful);
    }
    if has(b"wait_for_checkpoints") {
        return Err(NotKeyed::WaitForCheckpoints);
    }
    match kind {
        // What the template says is not seen, or is the text of a query in which anything may stand.
        ReadKind::SearchTemplate
        | ReadKind::MsearchTemplateItem
        | ReadKind::RenderTemplate
        | ReadKind::RankEval => {
            findings.targets.add_everything();
            if has(b"id") {
                findings.clock = Clock::Running;
            }
        }
        ReadKind::Sql | ReadKind::Esql => findings.targets.add_everything(),
        _ => {}
    }
    Ok(())
}

fn is_template(kind: ReadKind) -> bool {
    matches!(
        kind,
        ReadKind::SearchTemplate
            | ReadKind::MsearchTemplateItem
            | ReadKind::RenderTemplate
            | ReadKind::RankEval
    )
}

/// Whether the text of a template says what is looked for as members where there is none.
fn hides(text: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"profile", b"random_", b"\"pit\"", b"\\u"];
    words.into_iter().any(|word| contains(text, word))
}

/// What counts wherever it stands. Returns whether `now` may stand anywhere in the texts below.
fn named(tape: &Tape<'_>, index: u32, name: &[u8], findings: &mut Findings) -> Result<bool, NotKeyed> {
    let node = tape.node(index);
    match name {
        b"random_score" | b"random_sampler" if tape.member(index, b"seed").is_none() => Err(NotKeyed::Random),
        b"script" | b"init_script" | b"map_script" | b"combine_script" | b"reduce_script" | b"template"
        | b"templates" => {
            // A script that is stored on the server may do anything.
            if node.kind == Kind::Object && tape.member(index, b"id").is_some() {
                findings.clock = Clock::Running;
            }
            Ok(true)
        }
        b"template_id" => {
            findings.clock = Clock::Running;
            Ok(false)
        }
        b"query_string" | b"simple_query_string" | b"source" | b"inline" | b"params" => Ok(true),
        // A look-up of terms, shapes or documents in another index.
        b"index" | b"_index" | b"target_index" if node.is_text() => {
            match std::str::from_utf8(tape.value(node)) {
                Ok(target) => findings.targets.add(target),
                Err(_) => findings.targets.add_everything(),
            }
            Ok(false)
        }
        b"indexed_shape" => {
            findings.targets.add_everything();
            Ok(false)
        }
        _ => Ok(false),
    }
}

/// Whether a script calls what answers differently each time. Over-careful: any text with these words counts as a script.
fn calls_for_another_answer(text: &[u8]) -> bool {
    let words: [&[u8]; 7] =
        [b"random", b"Random", b"randomUUID", b"Date", b"currentTimeMillis", b"nanoTime", b"now"];
    text.contains(&b'(') && words.into_iter().any(|word| calls(text, word))
}

/// Whether a word is followed by a parenthesis.
fn calls(text: &[u8], word: &[u8]) -> bool {
    positions(text, word).any(|at| text[at + word.len()..].trim_ascii_start().first() == Some(&b'('))
}

/// Whether a text is an expression with `now`, or, in a text that may contain some, whether it contains the word.
fn mentions_now(text: &[u8], anywhere: bool) -> bool {
    if anywhere {
        words(text).next().is_some()
    } else {
        text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"now")) && words(text).next() == Some(0)
    }
}

/// Where the word `now` stands alone, in any case; `NOW()`, `CURRENT_DATE` and the like in queries in languages of their own.
fn words(text: &[u8]) -> impl Iterator<Item = usize> {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let at_word = move |at: usize, word: &[u8]| {
        text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
            && !(at > 0 && text.get(at - 1).is_some_and(in_word))
    };
    (0..text.len()).filter(move |&at| match text[at] {
        b'n' | b'N' => at_word(at, b"now") && !text.get(at + 3).is_some_and(in_word),
        b'c' | b'C' => at_word(at, b"current_") || at_word(at, b"curdate") || at_word(at, b"curtime"),
        b't' | b'T' => at_word(at, b"today("),
        b'r' | b'R' => at_word(at, b"rand(") || at_word(at, b"random("),
        _ => false,
    })
}

/// When what a text says of `now` changes next.
pub(crate) fn clock_of(text: &str, anywhere: bool, now: SystemTime, zone: Zone) -> Clock {
    let bytes = text.as_bytes();
    let mut clock = Clock::Still;
    for at in words(bytes).take(if anywhere { usize::MAX } else { 1 }) {
        let Some(after) = text.get(at + 3..).filter(|_| bytes[at..].starts_with(b"now")) else {
            return Clock::Running;
        };
        let steps = elastic_steps(after).filter(|(_, rest)| {
            let ends = !rest
                .starts_with(|character: char| character.is_alphanumeric() || "_+-/\\|".contains(character));
            ends && (anywhere || rest.is_empty())
        });
        clock = clock.and(steps.map_or(Clock::Running, |(steps, _)| next_change(&steps, now, zone)));
        if clock == Clock::Running {
            break;
        }
    }
    clock
}

/// When the index that a name with date math stands for changes next: `<logs-{now/d{yyyy.MM.dd|+12:00}}>`.
pub(crate) fn clock_of_name(name: &str, now: SystemTime) -> Clock {
    let Some(at) = name.find("now") else { return Clock::Running };
    let Some((steps, rest)) = elastic_steps(&name[at + 3..]) else { return Clock::Running };
    let zone = match rest.strip_prefix('{') {
        None if rest.starts_with('}') => UTC,
        Some(format) => {
            let Some((format, _)) = format.split_once('}') else { return Clock::Running };
            format.split_once('|').map_or(UTC, |(_, name)| zone(name))
        }
        None => return Clock::Running,
    };
    if name.matches("now").count() > 1 { Clock::Running } else { next_change(&steps, now, zone) }
}

/// The `time_zone` nearest to a value, looking outwards.
fn zone_around(tape: &Tape<'_>, index: u32) -> Zone {
    let mut found = UTC;
    let mut container = 0;
    loop {
        if let Some(member) = tape.member(container, b"time_zone") {
            found = std::str::from_utf8(tape.value(tape.node(member))).map_or(Zone::Named, zone);
        }
        let inner = tape.children(container).find(|&child| child <= index && index < tape.node(child).after);
        match inner {
            Some(inner) if inner < index => container = inner,
            _ => return found,
        }
    }
}

/// A body that cannot be read as strict JSON: whether it might contain any of the above. Escapes could hide anything.
pub(crate) fn may_be_anything(body: &[u8]) -> bool {
    let lower = body.to_ascii_lowercase();
    let words: [&[u8]; 14] = [
        b"now",
        b"pit",
        b"profile",
        b"random",
        b"script",
        b"cursor",
        b"scroll",
        b"checkpoints",
        b"completion",
        b"keep_alive",
        b"source\"",
        b"template",
        b"\\u",
        b"\\x",
    ];
    words.iter().any(|word| contains(&lower, word))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    positions(text, word).next().is_some()
}

fn positions<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    text.windows(word.len()).enumerate().filter(move |(_, found)| *found == word).map(|(at, _)| at)
}
