//! The arguments of a run: those of a test binary, and a few of the suite's own.

use std::path::PathBuf;

use libtest_mimic::Arguments;

/// What a run was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) arguments: Arguments,
    pub(super) html: Option<PathBuf>,
    pub(super) junit: Option<PathBuf>,
}

impl Asked {
    /// The first of the arguments is the program's name.
    pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut html, mut junit, mut rest) = (None, None, Vec::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            if !["--jobs", "--html", "--junit"].contains(&name) {
                rest.push(argument);
                continue;
            }
            let value = value.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"))?;
            match name {
                "--html" => html = Some(value.into()),
                "--junit" => junit = Some(value.into()),
                _ => match value.parse::<usize>() {
                    Ok(jobs) if jobs > 0 => rest.push(format!("--test-threads={jobs}")),
                    _ => return Err(format!("--jobs needs a number from 1 on, and is given \"{value}\"")),
                },
            }
        }
        Ok(Self { arguments: Arguments::from_iter(rest), html, junit })
    }

    /// What is wrong with the filter, if it is meant to be the name of a case and nothing has it. Any other text may be
    /// meant for another test binary.
    pub(super) fn wrong_filter<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
        let filter = self.arguments.filter.as_deref()?;
        let fits = |name: &str| if self.arguments.exact { name == filter } else { name.contains(filter) };
        if names.clone().any(fits) {
            return None;
        }
        let nearest = nearest(filter, names);
        if self.arguments.exact || filter.contains("::") {
            return Some(format!("no case is named {filter}{nearest}"));
        }
        eprintln!("note: no case has \"{filter}\" in its name");
        None
    }
}

/// What a wrong name may have been meant to be, as the end of a message; nothing if no name is near.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names.map(|name| (distance(wrong, name), name)).min();
    match nearest {
        Some((steps, name)) if steps <= wrong.len() / 3 => format!("; is {name} meant?"),
        _ => String::new(),
    }
}

/// How many characters must be put in, taken out or exchanged.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, from) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = line + 1;
        for (column, to) in other.iter().enumerate() {
            let exchanged = before + usize::from(from != *to);
            before = row[column + 1];
            row[column + 1] = exchanged.min(row[column] + 1).min(before + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, String> {
        Asked::parse(std::iter::once("suite").chain(line.split_whitespace()).map(str::to_owned))
    }

    #[test]
    fn the_suites_own_arguments_stand_among_those_of_a_test_binary() {
        let asked = parse("ttl:: --jobs 3 --html=a.html --quiet --junit b.xml").unwrap();
        assert_eq!(asked.arguments.test_threads, Some(3));
        assert_eq!(asked.arguments.filter.as_deref(), Some("ttl::"));
        assert!(asked.arguments.quiet);
        assert_eq!((asked.html, asked.junit), (Some("a.html".into()), Some("b.xml".into())));
        for wrong in ["--jobs", "--jobs 0", "--jobs=many", "--html"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_no_case_has_is_told_with_the_nearest() {
        let names = ["ttl::touch_lengthens_a_life", "reading::set_then_get"];
        let wrong = |line: &str| parse(line).unwrap().wrong_filter(names.iter().copied());
        assert_eq!(
            wrong("reading::set_then_gte").unwrap(),
            "no case is named reading::set_then_gte; is reading::set_then_get meant?"
        );
        assert_eq!(wrong("no::such_thing_anywhere").unwrap(), "no case is named no::such_thing_anywhere");
        assert!(wrong("--exact set_then_get").is_some());
        for right in ["set_then_get", "ttl::", "--exact reading::set_then_get", "of_another_binary", ""] {
            assert_eq!(wrong(right), None, "{right}");
        }
    }

    #[test]
    fn distances_are_counted_in_characters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "äö"), 2);
    }
}
