//! `_bulk` as it streams by: which indices its action lines name. Nothing of it is kept but the names and one action line.

use super::Targets;
use crate::json::members::{Members, text_of};

/// The longest action line that is read, in bytes. What a longer one names is not known.
const MAX_ACTION: usize = 16 * 1024;

/// Reads a bulk body piece by piece.
///
/// ```
/// # use larder_http::search::{BulkScanner, Names, Bumps, Targets};
/// let mut scanner = BulkScanner::new(Targets::parse("shop"));
/// scanner.feed(b"{\"delete\":{\"_id\":\"1\"}}\n{\"index\":{\"_ind");
/// scanner.feed(b"ex\":\"other\"}}\n{\"title\":\"a\"}\n");
/// let targets = scanner.finish();
/// assert_eq!(targets.names().collect::<Vec<_>>(), ["other", "shop"]);
/// ```
#[derive(Debug)]
pub struct BulkScanner {
    /// The index of actions that name none.
    default: Targets,
    targets: Targets,
    line: Vec<u8>,
    next: Next,
    /// The actions that were read.
    actions: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Action,
    /// The rest of a source line, which is not read; whether there has been something in it.
    Source {
        empty: bool,
    },
    /// Nothing can be told of what follows.
    Lost,
}

impl BulkScanner {
    /// Begins. `default` is what [`classify`](super::classify) says of the path: the index of actions that name none.
    pub fn new(default: Targets) -> Self {
        // A pipeline that was named in the query string may write anywhere.
        let (targets, next) = if default == Targets::everything() {
            (Targets::everything(), Next::Lost)
        } else {
            (Targets::nothing(), Next::Action)
        };
        Self { default, targets, line: Vec::new(), next, actions: 0 }
    }

    /// Reads the next piece, decoded by its `Content-Encoding`.
    pub fn feed(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() && self.next != Next::Lost {
            let (line, rest, ended) = match piece.iter().position(|&byte| byte == b'\n') {
                Some(at) => (&piece[..at], &piece[at + 1..], true),
                None => (piece, &[][..], false),
            };
            piece = rest;
            if let Next::Source { empty } = self.next {
                let empty = empty && line.trim_ascii().is_empty();
                match (ended, empty) {
                    // Some servers skip an empty line, and read the next one as the source.
                    (true, true) => self.lose(),
                    (true, false) => self.next = Next::Action,
                    (false, _) => self.next = Next::Source { empty },
                }
                continue;
            }
            if self.line.len() + line.len() > MAX_ACTION {
                self.lose();
            } else if !ended {
                self.line.extend_from_slice(line);
            } else if self.line.is_empty() {
                self.action(line);
            } else {
                self.line.extend_from_slice(line);
                let whole = std::mem::take(&mut self.line);
                self.action(&whole);
            }
        }
    }

    /// What the actions so far write to. A server may have begun to do what it has read, so this counts even if the rest never
    /// comes.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// How many actions were read, for as long as all of them could be.
    pub fn actions(&self) -> u64 {
        self.actions
    }

    /// Ends: a last line without its end counts, too.
    pub fn finish(mut self) -> Targets {
        let line = std::mem::take(&mut self.line);
        if self.next == Next::Action {
            self.action(&line);
        }
        self.targets
    }

    fn lose(&mut self) {
        self.targets = Targets::everything();
        self.next = Next::Lost;
        self.line = Vec::new();
    }

    fn action(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        // Empty lines are skipped by some servers and refused by others.
        if line.is_empty() {
            return;
        }
        match action(line) {
            Some(Action { has_source, index }) => {
                self.actions += 1;
                match index {
                    Some(index) => self.targets.add(&index),
                    None if self.default == Targets::nothing() => self.targets.add_everything(),
                    None => self.targets.merge(&self.default),
                }
                if has_source {
                    self.next = Next::Source { empty: true };
                }
            }
            None => self.lose(),
        }
    }
}

struct Action {
    has_source: bool,
    index: Option<String>,
}

/// Nothing where the line is not an action, or one that may write to another index than it says.
fn action(line: &[u8]) -> Option<Action> {
    let mut members = Members::new(line);
    let member = members.next()?.ok()?;
    let has_source = match &*member.name {
        b"index" | b"create" | b"update" => true,
        b"delete" => false,
        _ => return None,
    };
    if members.next().is_some() {
        return None;
    }
    let mut index = None;
    for parameter in Members::new(member.value) {
        let parameter = parameter.ok()?;
        match &*parameter.name {
            b"_index" => {
                let name = text_of(parameter.value)?;
                if index.replace(String::from_utf8(name.into_owned()).ok()?).is_some() {
                    return None;
                }
            }
            b"pipeline" if parameter.value != b"\"_none\"" => return None,
            _ => {}
        }
    }
    Some(Action { has_source, index })
}

/// What a `_reindex` writes to, by its body. Everything, where that cannot be read or a pipeline or a script may choose another.
pub fn reindex_destination(body: &[u8]) -> Targets {
    destination(body).unwrap_or_else(Targets::everything)
}

fn destination(body: &[u8]) -> Option<Targets> {
    let mut targets = None;
    for member in Members::new(body) {
        let member = member.ok()?;
        match &*member.name {
            // It may set `ctx._index`.
            b"script" => return None,
            b"dest" => {
                for parameter in Members::new(member.value) {
                    let parameter = parameter.ok()?;
                    match &*parameter.name {
                        b"index" => {
                            let name = String::from_utf8(text_of(parameter.value)?.into_owned()).ok()?;
                            if targets.replace(Targets::parse(&name)).is_some() {
                                return None;
                            }
                        }
                        b"pipeline" => return None,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    targets
}
