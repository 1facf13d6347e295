//! Where in a file each key and each element of a list stands. The values themselves carry their layer; the place in it is
//! looked up by the path.

use std::collections::BTreeMap;

use super::{origin::Position, path::Segment};

/// The longest line of which characters are counted, in bytes; counting them for each key of a longer one takes
/// quadratic time.
const LONGEST: usize = 4096;

/// The place of a value, and those of the values in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    at: Option<Position>,
    below: BTreeMap<Segment, Places>,
}

impl Places {
    pub(super) fn new(at: Position) -> Self {
        Self { at: Some(at), below: BTreeMap::new() }
    }

    /// The same values, whose key stands there.
    pub(super) fn moved_to(mut self, at: Position) -> Self {
        self.at = Some(at);
        self
    }

    pub(super) fn insert(&mut self, segment: Segment, places: Self) {
        self.below.insert(segment, places);
    }

    /// The places below a key, which are no longer below it here.
    pub(super) fn take(&mut self, key: &str) -> Self {
        self.below.remove(&Segment::Key(key.to_owned())).unwrap_or_default()
    }

    /// The place of the value at a path, or of the innermost section around it that the file has.
    pub(super) fn find(&self, path: &[Segment]) -> Option<Position> {
        let mut here = self;
        let mut found = self.at;
        for segment in path {
            let Some(below) = here.below.get(segment) else { break };
            here = below;
            found = here.at.or(found);
        }
        found
    }
}

/// The lines of a text, to turn offsets into positions.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).filter(|before| before.len() <= LONGEST);
        let column = before.map_or(offset.saturating_sub(start), |before| before.chars().count());
        Position::new(line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_lines_and_characters() {
        let lines = Lines::new("a\né = 1\n");
        for (offset, expected) in [(0, "1:1"), (1, "1:2"), (2, "2:1"), (4, "2:2"), (9, "3:1"), (100, "3:92")]
        {
            assert_eq!(lines.position(offset).to_string(), expected, "{offset}");
        }
        assert_eq!(Lines::new("").position(0), Position::new(1, 1));
    }

    #[test]
    fn what_has_no_place_has_that_of_its_section() {
        let mut root = Places::default();
        let mut section = Places::new(Position::new(1, 1));
        section.insert(Segment::Key("a".into()), Places::new(Position::new(2, 1)));
        root.insert(Segment::Key("s".into()), section);
        let find = |path: &[&str]| {
            let path: Vec<Segment> = path.iter().map(|key| Segment::Key((*key).into())).collect();
            root.find(&path).map(|at| at.line)
        };
        assert_eq!(find(&["s", "a"]), Some(2));
        assert_eq!(find(&["s", "b", "c"]), Some(1));
        assert_eq!(find(&["t"]), None);
    }
}
