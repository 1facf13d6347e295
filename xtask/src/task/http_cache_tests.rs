//! `cargo xtask http-cache-tests`: the HTTP cache tests (cache-tests.fyi) against `larder-proxy`, with what passed by suite.
//! `--id PREFIX` runs some of them and shows why they failed. `--built` takes the program that `cargo xtask test` has built: built alone,
//! with fewer features of what it depends on, all of that is compiled again. The npm packages are pinned in `xtask/http-cache-tests`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{Outcome, shell};

/// How many required tests have to pass, and of how many that was measured.
const REQUIRED: (usize, usize) = (150, 157);
/// The suites in which no required test may fail. This version of the package has none of RFC 9213.
const WHOLE: &[&str] = &[
    "cc-freshness",
    "cc-parse",
    "cc-request",
    "cc-response",
    "age-parse",
    "expires",
    "expires-parse",
    "vary",
    "vary-parse",
    "conditional-lm",
    "conditional-inm",
    "update304",
    "invalidation",
    "auth",
];
/// A note of W3C that was never a standard: shown, and not counted.
const NOT_COUNTED: &str = "surrogate-control";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (only, is_built) = match arguments {
        [] => ("", false),
        [option] if option == "--built" => ("", true),
        [option, prefix] if option == "--id" => (&**prefix, false),
        _ => return Err("accepted: --id PREFIX, or --built".into()),
    };
    let target = shell::root().join("target");
    let folder = prepare(&target.join("http-cache-tests"))?;
    let program =
        std::env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from).join("debug/larder-proxy");
    if !is_built {
        shell::run(&mut shell::cargo(["build", "--quiet", "--package", "larder-proxy"]))?;
    } else if !program.is_file() {
        return Err(format!("there is no {}; run `cargo xtask test` first", program.display()).into());
    }

    let mut origin = Server(
        Command::new("node")
            .arg("server.mjs")
            .envs([
                ("npm_config_protocol", "http"),
                ("npm_config_port", "80"),
                ("npm_config_pidfile", "server.pid"),
            ])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let (origin_url, _out) = origin.url_from_stdout()?;
    let mut proxy = Server(
        Command::new(program)
            .args(["--upstream", &origin_url, "--mode", "http", "--listen", "127.0.0.1:0"])
            // Neither a file nor a variable of whoever runs this.
            .env_clear()
            .current_dir(&folder)
            .stderr(Stdio::piped())
            .spawn()?,
    );
    let (proxy_url, _errors) = proxy.url_from_stderr()?;
    let mut tests = Command::new("node");
    tests.args(["--no-warnings", "run.mjs", &proxy_url, only]).current_dir(&folder);
    let printed = String::from_utf8(shell::output(&mut tests)?)?;
    report(&printed, only)
}

/// The folder with the packages. Installed again when what is pinned changes.
fn prepare(folder: &Path) -> Outcome<PathBuf> {
    for program in ["node", "npm"] {
        if !shell::succeeds(Command::new(program).arg("--version")) {
            return Err(format!(
                "{program} is missing; the HTTP cache tests need Node.js 18 or newer with npm"
            )
            .into());
        }
    }
    let source = shell::root().join("xtask/http-cache-tests");
    fs::create_dir_all(folder.join("none"))?;
    let wanted = fs::read(source.join("package-lock.json"))?;
    let stamp = folder.join("installed.json");
    for file in ["package.json", "package-lock.json", "none/package.json", "run.mjs", "server.mjs"] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder.to_owned());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    shell::run(&mut npm)?;
    // Written last, so an installation that was interrupted is made again.
    fs::write(stamp, wanted)?;
    Ok(folder.to_owned())
}

/// A program that runs until this is dropped.
struct Server(Child);

impl Server {
    fn url_from_stdout(&mut self) -> Outcome<(String, BufReader<ChildStdout>)> {
        let mut lines = BufReader::new(self.0.stdout.take().ok_or("no output")?);
        Ok((url(&mut lines)?, lines))
    }

    fn url_from_stderr(&mut self) -> Outcome<(String, BufReader<ChildStderr>)> {
        let mut lines = BufReader::new(self.0.stderr.take().ok_or("no output")?);
        Ok((url(&mut lines)?, lines))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The URL in the line that says where a program listens.
fn url<R: Read>(lines: &mut BufReader<R>) -> Outcome<String> {
    let mut seen = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(format!("a program ended before it listened: {seen}").into());
        }
        // One of them begins its line with it.
        if let Some((_, url)) = line.to_ascii_lowercase().split_once("listening on ") {
            return Ok(url.trim().trim_end_matches('/').to_owned());
        }
        seen.push_str(&line);
    }
}

/// What passed and how many there are, by kind.
type Counts = BTreeMap<String, (usize, usize)>;

fn report(printed: &str, only: &str) -> Outcome {
    let mut suites: Vec<(String, Counts)> = Vec::new();
    let mut failed = Vec::new();
    for line in printed.lines() {
        let test: Value = serde_json::from_str(line)?;
        let text = |key: &str| test.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let passed = test.get("passed").and_then(Value::as_bool).unwrap_or(false);
        let (suite, kind) = (text("suite"), text("kind"));
        if suites.last().is_none_or(|(name, _)| *name != suite) {
            suites.push((suite.clone(), Counts::new()));
        }
        if let Some((_, counts)) = suites.last_mut() {
            let count = counts.entry(kind.clone()).or_default();
            count.0 += usize::from(passed);
            count.1 += 1;
        }
        if !passed && (kind == "required" || !only.is_empty()) && suite != NOT_COUNTED {
            failed.push((suite, format!("{kind} {}: {}", text("id"), text("why"))));
        }
    }
    println!("{:<20} {:>10} {:>10} {:>10}", "suite", "required", "optimal", "check: yes");
    let mut sum = Counts::new();
    for (suite, counts) in &suites {
        println!("{suite:<20} {}", columns(counts));
        if suite != NOT_COUNTED {
            for (kind, (passed, all)) in counts {
                let count = sum.entry(kind.clone()).or_default();
                count.0 += passed;
                count.1 += all;
            }
        }
    }
    println!("{:<20} {}  (without {NOT_COUNTED})", "all", columns(&sum));
    failed.iter().for_each(|(suite, what)| println!("failed: {suite}: {what}"));
    if !only.is_empty() {
        return Ok(());
    }
    let (passed, all) = sum.get("required").copied().unwrap_or_default();
    if all != REQUIRED.1 {
        return Err(format!("{all} required tests where {} were pinned; not all were run", REQUIRED.1).into());
    }
    if passed < REQUIRED.0 {
        return Err(format!("{passed} required tests passed where {} have to", REQUIRED.0).into());
    }
    let missing: Vec<_> =
        WHOLE.iter().filter(|name| !suites.iter().any(|(suite, _)| suite == *name)).collect();
    if !missing.is_empty() {
        return Err(format!("suites that were to pass were not run: {missing:?}").into());
    }
    let broken: Vec<_> = failed.iter().filter(|(suite, _)| WHOLE.contains(&&**suite)).collect();
    if broken.is_empty() { Ok(()) } else { Err(format!("{} failed where none may", broken.len()).into()) }
}

fn columns(counts: &Counts) -> String {
    let column = |kind: &str| match counts.get(kind) {
        Some((passed, all)) => format!("{passed}/{all}"),
        None => "-".to_owned(),
    };
    format!("{:>10} {:>10} {:>10}", column("required"), column("optimal"), column("check"))
}
