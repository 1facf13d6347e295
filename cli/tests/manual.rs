//! What the program says of itself: completions, the manual, JSON of every command, and no colours where nobody looks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, and what runs the program for them")]

mod common;

use std::fs;

use common::{larder, nasa, run, run_in};

#[test]
fn completions_of_every_shell_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = run(["completions", shell]).ok().out;
        for command in ["plan", "replay", "inspect", "dictionary", "migrate"] {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(run(["completions", "cmd.exe"]).code, 2);
}

#[test]
fn bash_completes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larder.bash");
    fs::write(&file, run(["completions", "bash"]).ok().out).unwrap();
    let script = format!(
        "source {}; COMP_WORDS=(larder inv); COMP_CWORD=1; _larder larder inv larder; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "invalidate");
}

#[test]
fn a_manual_with_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), ["man", "--into", "."]).ok();
    let pages: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.len() > 20 && pages.iter().all(|page| page.ends_with(".1")), "{pages:?}");
    let plan = fs::read_to_string(folder.path().join("larder-plan.1")).unwrap();
    assert!(plan.contains(".TH larder-plan 1") && plan.contains("log\\-format"), "{plan}");
    let program = run(["man"]).ok().out;
    assert!(program.contains("Exit codes") && program.contains("larder\\-scan(1)"), "{program}");
    assert_eq!(run_in(folder.path(), ["man", "--into", "no/such"]).code, 2);
}

#[test]
fn no_colour_where_nobody_looks() {
    for arguments in
        [vec!["--help"], vec!["plan", "--post", "read", &nasa()], vec!["plan", "/no/such"], vec!["nonsense"]]
    {
        let ran = run(&arguments);
        assert!(!format!("{}{}", ran.out, ran.err).contains('\u{1b}'), "{arguments:?}: {ran:?}");
    }
}

/// Ctrl-C while a page is about to be written: the old one stays, and nothing beside it.
#[test]
fn an_interrupted_plan_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("plan.html");
    fs::write(&page, "old").unwrap();
    let logs = vec![nasa(); 40];
    let mut child = larder()
        .args(["plan", "--post", "read", "--html", page.to_str().unwrap()])
        .args(&logs)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_ne!(child.wait().unwrap().code(), Some(0), "it was stopped");
    assert_eq!(fs::read_to_string(&page).unwrap(), "old");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}
