//! The table's own format, a line each:
//!
//! ```text
//! # what was done wrong
//! | a line of larder.toml
//! file larder.production.toml
//! | a line of that file
//! env NAME=value
//! = an answer
//! ```

use std::fmt::Write as _;

/// One wrong configuration.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) answers: Vec<String>,
}

const FIRST: &str = "larder.toml";

pub(crate) fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            let title = title.to_owned();
            cases.push(Case { title, files: vec![], variables: vec![], answers: vec![] });
            continue;
        }
        let case = cases.last_mut().expect("a line before the first title");
        if let Some(name) = line.strip_prefix("file ") {
            case.files.push((name.to_owned(), String::new()));
        } else if let Some(row) = line.strip_prefix('|') {
            if case.files.is_empty() {
                case.files.push((FIRST.to_owned(), String::new()));
            }
            let (_, file) = case.files.last_mut().unwrap();
            writeln!(file, "{}", row.strip_prefix(' ').unwrap_or(row)).unwrap();
        } else if let Some(variable) = line.strip_prefix("env ") {
            let (name, value) = variable.split_once('=').expect("a variable without =");
            case.variables.push((name.to_owned(), value.to_owned()));
        } else if let Some(answer) = line.strip_prefix("= ") {
            case.answers.push(answer.to_owned());
        } else {
            panic!("not a line of the table: {line}");
        }
    }
    cases
}

pub(crate) fn write(cases: &[Case]) -> String {
    let mut text = String::new();
    for Case { title, files, variables, answers } in cases {
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "# {title}").unwrap();
        for (position, (name, file)) in files.iter().enumerate() {
            if position > 0 || name != FIRST {
                writeln!(text, "file {name}").unwrap();
            }
            for line in file.lines() {
                writeln!(text, "{}", format!("| {line}").trim_end()).unwrap();
            }
        }
        for (name, value) in variables {
            writeln!(text, "env {name}={value}").unwrap();
        }
        for answer in answers {
            writeln!(text, "= {}", answer.replace('\n', " ")).unwrap();
        }
    }
    text
}
