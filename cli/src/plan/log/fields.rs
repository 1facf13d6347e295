//! What is taken from a line: the fields that a plan needs under any of their names, and those that the key template names.

/// What a field is to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// When.
    Time,
    /// `GET /path HTTP/1.1`, as one field.
    RequestLine,
    /// `GET`.
    Method,
    /// `/path?query`.
    Target,
    /// `200`.
    Status,
    /// Bytes of the answer.
    Bytes,
    /// How long the answer took, in the unit of its name.
    Took,
    /// The key, ready made.
    Key,
    /// `read`, `write` or `pass`, as the proxy says.
    Kind,
    /// Which process says so.
    Run,
    /// The keys of a request of many.
    Items,
    /// What a request is about.
    Targets,
    /// Whether it is about everything.
    Everything,
}

impl Role {
    /// All, in the order of their fields.
    pub(crate) const ALL: [Self; 13] = [
        Self::Time,
        Self::RequestLine,
        Self::Method,
        Self::Target,
        Self::Status,
        Self::Bytes,
        Self::Took,
        Self::Key,
        Self::Kind,
        Self::Run,
        Self::Items,
        Self::Targets,
        Self::Everything,
    ];

    /// The names that such a field may have, the best first: nginx, then what JSON logs of common servers call it.
    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Time => &[
                "time",
                "time_local",
                "time_iso8601",
                "timestamp",
                "@timestamp",
                "msec",
                "ts",
                "datetime",
                "date",
            ],
            Self::RequestLine => &["request"],
            Self::Method => &["request_method", "method", "request.method", "verb"],
            Self::Target => &["request_uri", "uri", "url", "request.uri", "target", "path"],
            Self::Status => &["status", "status_code", "response"],
            Self::Bytes => &["body_bytes_sent", "bytes_sent", "bytes", "size", "resp_body_size"],
            Self::Took => &[
                "upstream_response_time",
                "upstream_time",
                "upstream_ms",
                "upstream_micros",
                "request_time",
                "duration",
                "duration_ms",
                "took_ms",
                "took_micros",
            ],
            Self::Key => &["key"],
            Self::Kind => &["kind"],
            Self::Run => &["run"],
            Self::Items => &["items"],
            Self::Targets => &["targets"],
            Self::Everything => &["everything"],
        }
    }
}

/// Which fields are wanted: one for each role, then those that were asked for by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    named: Vec<String>,
}

impl Wanted {
    /// The place of the field of this name.
    pub(crate) fn name(&mut self, name: &str) -> usize {
        let at = self.named.iter().position(|known| known == name).unwrap_or_else(|| {
            self.named.push(name.to_owned());
            self.named.len() - 1
        });
        Role::ALL.len() + at
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        Role::ALL.len() + self.named.len()
    }

    /// The names under which a field may stand, the best first.
    pub(crate) fn names(&self, place: usize) -> Vec<&str> {
        match Role::ALL.get(place) {
            Some(role) => role.names().to_vec(),
            None => self.named.get(place - Role::ALL.len()).map(String::as_str).into_iter().collect(),
        }
    }

    /// For each of these columns, the fields that it is: the best name of each wins.
    pub(crate) fn columns(&self, columns: &[String]) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); columns.len()];
        for place in 0..self.len() {
            let best =
                self.names(place).into_iter().find_map(|name| columns.iter().position(|own| own == name));
            if let Some(column) = best {
                places[column].push(place);
            }
        }
        places
    }

    /// The unit of the durations: microseconds in one of what this name counts.
    pub(crate) fn micros_in(name: &str) -> f64 {
        if name.ends_with("_ms") {
            1e3
        } else if name.ends_with("_micros") {
            1.0
        } else {
            1e6
        }
    }
}

/// The wanted fields of one line. It is used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    spans: Vec<Option<(usize, usize)>>,
    /// Microseconds in the unit of [`Role::Took`].
    pub(crate) micros_in_took: f64,
}

impl Fields {
    /// Forgets the line before.
    pub(crate) fn clear(&mut self, fields: usize) {
        self.text.clear();
        self.spans.clear();
        self.spans.resize(fields, None);
        self.micros_in_took = 1e6;
    }

    /// Sets a field.
    pub(crate) fn put(&mut self, place: usize, text: &[u8]) {
        let begin = self.text.len();
        self.text.extend_from_slice(text);
        if let Some(span) = self.spans.get_mut(place) {
            *span = Some((begin, self.text.len()));
        }
    }

    /// A field by its place. What a log writes as `-` is not there.
    pub(crate) fn at(&self, place: usize) -> Option<&[u8]> {
        let (begin, end) = (*self.spans.get(place)?)?;
        self.text.get(begin..end).filter(|text| *text != b"-")
    }

    /// A field by its role.
    pub(crate) fn get(&self, role: Role) -> Option<&[u8]> {
        self.at(role as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_stand_in_their_order() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role as usize, place);
        }
    }

    #[test]
    fn the_best_name_wins_and_one_column_may_be_two_fields() {
        let mut wanted = Wanted::default();
        assert_eq!(wanted.name("url"), Role::ALL.len());
        assert_eq!(wanted.name("url"), Role::ALL.len());
        let columns = ["request_time", "upstream_response_time", "url"].map(str::to_owned);
        let places = wanted.columns(&columns);
        assert_eq!(places, [vec![], vec![Role::Took as usize], vec![Role::Target as usize, Role::ALL.len()]]);
    }
}
