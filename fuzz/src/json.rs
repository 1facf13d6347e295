//! JSON made up at random, whose names are unique, and the ways in which one text of it can be written.

use arbitrary::Arbitrary;

/// A value.
#[derive(Debug, Clone, PartialEq, Arbitrary)]
pub enum Json {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A number that fits.
    Number(i64),
    /// Digits behind it, so that what an f64 keeps of it is less than what is written.
    Long(u64, u16),
    /// Anything.
    Text(String),
    /// A word that search engines know.
    Word(u8),
    /// In this order.
    Array(Vec<Json>),
    /// The first of each name counts.
    Object(Vec<(Name, Json)>),
}

/// The name of a member.
#[derive(Debug, Clone, PartialEq, Eq, Arbitrary)]
pub enum Name {
    /// Anything.
    Text(String),
    /// A word that search engines know.
    Word(u8),
}

const WORDS: &[&str] = &[
    "query",
    "bool",
    "must",
    "filter",
    "match",
    "term",
    "range",
    "sort",
    "aggs",
    "size",
    "from",
    "now",
    "now/d",
    "now-1h",
    "index",
    "_source",
    "highlight",
    "fields",
    "pit",
    "profile",
    "script",
    "params",
    "a",
    "b",
    "order",
    "gte",
    "lt",
    "time_zone",
    "seed",
    "random_score",
    "scroll",
    "suggest",
    "lookup",
    "json",
    "filters",
];

fn word(of: u8) -> &'static str {
    WORDS[usize::from(of) % WORDS.len()]
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Word(of) => word(*of),
        }
    }
}

impl Json {
    /// A text of it. Bits of `style` add blanks, write characters as escapes, and turn the members of objects round.
    #[must_use]
    pub fn write(&self, style: u8) -> String {
        let mut out = String::new();
        self.write_to(&mut out, style, 0);
        out
    }

    fn write_to(&self, out: &mut String, style: u8, depth: usize) {
        let blank = |out: &mut String| {
            if style & 1 != 0 {
                out.push_str(" \n");
            }
        };
        blank(out);
        match self {
            // What is deeper is cut, so that no reader runs out of levels.
            _ if depth > 60 => out.push_str("null"),
            Self::Null => out.push_str("null"),
            Self::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::Long(whole, rest) => out.push_str(&format!("{whole}{rest:05}.{rest}")),
            Self::Text(text) => string(out, text, style),
            Self::Word(of) => string(out, word(*of), style),
            Self::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    item.write_to(out, style, depth + 1);
                }
                blank(out);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                let mut unique: Vec<(&str, &Self)> = Vec::new();
                for (name, value) in members {
                    if unique.iter().all(|(other, _)| *other != name.text()) {
                        unique.push((name.text(), value));
                    }
                }
                if style & 4 != 0 {
                    unique.reverse();
                }
                for (place, (name, value)) in unique.into_iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    blank(out);
                    string(out, name, style);
                    blank(out);
                    out.push(':');
                    value.write_to(out, style, depth + 1);
                }
                out.push('}');
            }
        }
        blank(out);
    }
}

fn string(out: &mut String, text: &str, style: u8) {
    out.push('"');
    for character in text.chars() {
        if style & 2 != 0 || character < ' ' || matches!(character, '"' | '\\') {
            let mut units = [0; 2];
            character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
        } else {
            out.push(character);
        }
    }
    out.push('"');
}
