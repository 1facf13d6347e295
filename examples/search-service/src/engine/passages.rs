//! The lines of a document that an answer shows, with what was looked for marked.
//!
//! They depend on the words and on the document alone. The engine's own snippets also weigh words by how rare they are
//! in the whole index: a cached answer could then change without any of its documents having been touched.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use tantivy::tokenizer::TextAnalyzer;

use super::query::Query;

/// The most passages shown of one document.
const MAX_PASSAGES: usize = 3;
/// How many lines are shown before and after the line that was found.
const CONTEXT: usize = 2;
/// The most characters shown of one line.
const MAX_LINE: usize = 160;

/// Some lines that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Passage {
    /// The number of the first line, counted from 1.
    pub(crate) line: usize,
    /// The lines, without line ends; the rest of a very long one is left out.
    pub(crate) lines: Vec<Line>,
}

/// A line in pieces, in turn plain and marked: the first, third, … are as they are, the second, fourth, … were looked
/// for. Whoever shows it needs to count neither bytes nor characters.
pub(crate) type Line = Vec<String>;

/// The best passages of a text, in the order of its lines. If the words are not in the text, its beginning.
pub(crate) fn passages(text: &str, query: &Query, analyzer: &mut TextAnalyzer) -> Vec<Passage> {
    let found = occurrences(text, query, analyzer);
    let lines = Lines::of(text);
    let mut by_line: HashMap<usize, Seen> = HashMap::new();
    for occurrence in &found {
        let seen = by_line.entry(lines.at(occurrence.start)).or_default();
        seen.clauses |= 1 << occurrence.clause.min(63);
        seen.times += 1;
    }

    let mut centres: Vec<usize> = Vec::new();
    while centres.len() < MAX_PASSAGES {
        let free = by_line
            .keys()
            .copied()
            .filter(|&line| centres.iter().all(|&centre: &usize| centre.abs_diff(line) > 2 * CONTEXT));
        // The most different words; of those the most words; of those the first line.
        let best = free.max_by_key(|&line| {
            let mut window = Seen::default();
            for near in line.saturating_sub(CONTEXT)..=line + CONTEXT {
                if let Some(seen) = by_line.get(&near) {
                    window.clauses |= seen.clauses;
                    window.times += seen.times;
                }
            }
            (
                window.clauses.count_ones(),
                window.times,
                by_line.get(&line).map_or(0, |seen| seen.times),
                usize::MAX - line,
            )
        });
        let Some(best) = best else { break };
        centres.push(best);
    }
    if centres.is_empty() {
        centres.push(0);
    }
    centres.sort_unstable();

    let show = |centre: usize| {
        let first = centre.saturating_sub(CONTEXT);
        let last = (centre + CONTEXT).min(lines.count() - 1);
        Passage {
            line: first + 1,
            lines: (first..=last).map(|line| mark(text, lines.range(text, line), &found)).collect(),
        }
    };
    centres.into_iter().map(show).collect()
}

#[derive(Default)]
struct Seen {
    /// One bit for each clause of the query.
    clauses: u64,
    times: usize,
}

/// Where a clause of the query stands in the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Occurrence {
    start: usize,
    end: usize,
    clause: usize,
}

/// Every place where a clause stands, in the order of the text.
fn occurrences(text: &str, query: &Query, analyzer: &mut TextAnalyzer) -> Vec<Occurrence> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let clauses: Vec<Vec<usize>> = query
        .wanted()
        .filter(|tokens| !tokens.is_empty())
        .map(|tokens| {
            tokens
                .iter()
                .map(|token| {
                    let next = numbers.len();
                    *numbers.entry(token).or_insert(next)
                })
                .collect()
        })
        .collect();
    let longest = clauses.iter().map(Vec::len).max().unwrap_or(0);

    let mut found = Vec::new();
    // The last tokens of the text: number in the query, if it is there, and place.
    let mut last: VecDeque<(Option<usize>, usize, usize)> = VecDeque::with_capacity(longest + 1);
    analyzer.token_stream(text).process(&mut |token| {
        if last.len() == longest {
            last.pop_front();
        }
        let number = numbers.get(&*token.text).copied();
        last.push_back((number, token.offset_from, token.offset_to));
        if number.is_none() {
            return;
        }
        for (clause, numbers) in clauses.iter().enumerate() {
            let Some(begin) = last.len().checked_sub(numbers.len()) else { continue };
            let tail = last.range(begin..);
            if tail.clone().map(|(number, ..)| *number).eq(numbers.iter().map(|number| Some(*number))) {
                found.push(Occurrence { start: last[begin].1, end: token.offset_to, clause });
            }
        }
    });
    found.sort_unstable_by_key(|occurrence| (occurrence.start, occurrence.end));
    found
}

/// Where the lines of a text begin, in bytes.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1).filter(|&start| start < text.len()));
        Self(starts)
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    /// The line that this byte is in.
    fn at(&self, byte: usize) -> usize {
        // The first line begins at 0, so there is always one before.
        self.0.partition_point(|&start| start <= byte) - 1
    }

    /// The bytes of a line, without its end.
    fn range(&self, text: &str, line: usize) -> (usize, usize) {
        let start = self.0[line];
        let end = self.0.get(line + 1).copied().unwrap_or(text.len());
        (start, start + text[start..end].trim_end_matches(['\n', '\r']).len())
    }
}

/// A line in pieces.
fn mark(text: &str, (start, end): (usize, usize), found: &[Occurrence]) -> Line {
    let end = text[start..end].char_indices().nth(MAX_LINE).map_or(end, |(at, _)| start + at);
    let mut pieces = vec![String::new()];
    let mut at = start;
    // What begins before the line (two words that follow each other, on two lines) is marked where it begins.
    let begin = found.partition_point(|occurrence| occurrence.start < start);
    for occurrence in found[begin..].iter().take_while(|occurrence| occurrence.start < end) {
        let stop = occurrence.end.min(end);
        if occurrence.start < at {
            // Two clauses that overlap are one mark.
            if stop > at
                && let Some(marked) = pieces.iter_mut().rev().nth(1)
            {
                marked.push_str(&text[at..stop]);
                at = stop;
            }
            continue;
        }
        if let Some(plain) = pieces.last_mut() {
            plain.push_str(&text[at..occurrence.start]);
        }
        pieces.push(text[occurrence.start..stop].to_owned());
        pieces.push(String::new());
        at = stop;
    }
    if let Some(plain) = pieces.last_mut() {
        plain.push_str(&text[at..end]);
    }
    pieces
}
