//! Makes a page and JUnit XML of the rows that runs have left in a file (`LARDER_CONFORMANCE_REPORT`), of however many
//! programs: `report rows.tsv page.html junit.xml`.

use std::{env, fs, process::ExitCode};

use larder_conformance::{Row, html, junit};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [rows, page, xml] = &arguments[..] else {
        eprintln!("usage: report ROWS PAGE XML");
        return ExitCode::FAILURE;
    };
    match write(rows, page, xml) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(rows: &str, page: &str, xml: &str) -> Result<(), String> {
    let text = fs::read_to_string(rows).map_err(|error| format!("{rows} cannot be read: {error}"))?;
    // A line that begins with `#` introduces a store.
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Row> = lines
        .map(|line| Row::from_line(line).ok_or_else(|| format!("{rows} has a line that is none: {line}")))
        .collect::<Result<_, _>>()?;
    for (file, text) in [(page, html(&rows)), (xml, junit(&rows))] {
        fs::write(file, text).map_err(|error| format!("{file} cannot be written: {error}"))?;
    }
    Ok(())
}
