//! `cargo xtask imports`: which module uses which, and no circle among them.
//!
//! Among the children of every module there must be an order: a use anywhere below one of two siblings of anything below the
//! other counts as a use between the two. Parents and children may use each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{Outcome, rust};

/// The crates that have an order already.
const CHECKED: &[&str] = &[
    "core",
    "net",
    "backends/memory",
    "backends/moka",
    "backends/quick-cache",
    "backends/redis",
    "backends/memcached",
    "codecs/gzip",
    "codecs/zstd",
    "http",
    "larder",
    "proxy",
    "cli",
];

type Module = Vec<String>;
/// Of each module, those that it uses.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// Prints the graph of the crates that are named by their folders, or of all that are checked, and fails on circles.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let named: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut circles = Vec::new();
    for folder in if named.is_empty() { CHECKED } else { &named } {
        let graph = graph(&Path::new(folder).join("src"))?;
        for (module, uses) in &graph {
            let uses: Vec<String> = uses.iter().map(|used| used.join("::")).collect();
            println!("{folder}::{} -> {}", module.join("::"), uses.join(", "));
        }
        circles.extend(self::circles(&graph).into_iter().map(|circle| format!("{folder}: {circle}")));
    }
    if circles.is_empty() { Ok(()) } else { Err(format!("circles:\n{}", circles.join("\n")).into()) }
}

fn graph(source: &Path) -> Outcome<Graph> {
    let mut files = Vec::new();
    collect(source, &mut Vec::new(), &mut files)?;
    let modules: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut graph = Graph::new();
    for (module, text) in &files {
        let uses = graph.entry(module.clone()).or_default();
        for path in paths(&rust::read(text).0) {
            if let Some(used) = resolve(module, &path, &modules).filter(|used| used != module) {
                uses.insert(used);
            }
        }
    }
    Ok(graph)
}

fn collect(folder: &Path, module: &mut Module, files: &mut Vec<(Module, String)>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, files)?;
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut own = module.clone();
            if !["lib", "main", "mod"].contains(&&*name) {
                own.push(name);
            }
            files.push((own, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Every path in the code that begins at the crate, the parent or the module itself; groups are written out.
fn paths(code: &str) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_start = ["crate", "super", "self"].contains(&&*tokens[at]);
        let continues = at > 0 && tokens[at - 1] == "::";
        if is_start && !continues && tokens.get(at + 1).is_some_and(|next| next == "::") {
            at = expand(&tokens, at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut characters = code.chars().peekable();
    while let Some(here) = characters.next() {
        if here.is_alphanumeric() || here == '_' {
            let mut word = here.to_string();
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next);
            }
            tokens.push(word);
        } else if here == ':' && characters.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !here.is_whitespace() {
            tokens.push(here.to_string());
        }
    }
    tokens
}

/// Reads the path that begins at a token, behind a prefix; says where it ends.
fn expand(tokens: &[String], mut at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let end = expand(tokens, at, &path, paths);
                    at = end.max(at + 1);
                    // `as name`, and the comma.
                    while tokens.get(at).is_some_and(|token| token != "," && token != "}") {
                        at += 1;
                    }
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                path.push(word.to_owned());
            }
            _ => {
                paths.push(path);
                return at;
            }
        }
        at += 1;
        if tokens.get(at).is_some_and(|token| token == "::") {
            at += 1;
        } else {
            paths.push(path);
            return at;
        }
    }
}

/// The innermost module that a path leads to.
fn resolve(from: &Module, path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let mut here: Module = Vec::new();
    let mut rest = path.iter();
    match rest.next()?.as_str() {
        "crate" => {}
        "super" => here = from[..from.len().checked_sub(1)?].to_vec(),
        _ => here.clone_from(from),
    }
    for segment in rest {
        if segment == "super" {
            here.pop()?;
            continue;
        }
        here.push(segment.clone());
        if !modules.contains(&here) {
            here.pop();
            break;
        }
    }
    Some(here)
}

/// The circles among siblings, wherever they are.
fn circles(graph: &Graph) -> Vec<String> {
    let mut levels: BTreeMap<Module, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (module, uses) in graph {
        for used in uses {
            let common = module.iter().zip(used).take_while(|(a, b)| a == b).count();
            // One is above the other.
            let (Some(one), Some(other)) = (module.get(common), used.get(common)) else { continue };
            levels.entry(module[..common].to_vec()).or_default().entry(one).or_default().insert(other);
        }
    }
    let mut found = Vec::new();
    for (parent, uses) in &levels {
        // Who is in no circle can be taken away, one after the other.
        let mut rest: BTreeSet<&str> = uses.keys().copied().collect();
        while let Some(free) =
            rest.iter().find(|one| uses.get(**one).is_none_or(|uses| uses.is_disjoint(&rest))).copied()
        {
            rest.remove(free);
        }
        if !rest.is_empty() {
            let rest: Vec<&str> = rest.into_iter().collect();
            found.push(format!(
                "in {}: {}",
                ["crate".to_owned()].into_iter().chain(parent.clone()).collect::<Vec<_>>().join("::"),
                rest.join(", ")
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_written_out() {
        let found = paths("use super::{a::{B, c::D}, e as f};\nlet x = crate::g::h(self.i, self::j::K);");
        let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
        assert_eq!(found, ["super::a::B", "super::a::c::D", "super::e", "crate::g::h", "self::j::K"]);
    }

    #[test]
    fn circles_are_found_through_children_and_parents_may_use_children() {
        let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
        let graph = |edges: &[(&str, &str)]| {
            let mut graph = Graph::new();
            for (from, to) in edges {
                graph.entry(module(from)).or_default().insert(module(to));
            }
            graph
        };
        assert!(circles(&graph(&[("a", "a::b"), ("a::b", "a"), ("a::b", "c"), ("a", "c")])).is_empty());
        assert_eq!(circles(&graph(&[("a::b", "c"), ("c::d", "a")])), ["in crate: a, c"]);
        assert_eq!(circles(&graph(&[("a::b", "a::c"), ("a::c", "a::b")])), ["in crate::a: b, c"]);
    }

    #[test]
    fn the_crates_that_have_an_order_keep_it() {
        for folder in CHECKED {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("src");
            let graph = graph(&source).unwrap();
            assert!(graph.len() > 1, "nothing of {folder} was read");
            assert_eq!(circles(&graph), Vec::<String>::new(), "{folder}");
        }
    }
}
