//! As much of Rust as is needed to tell code, comments and strings from each other.

/// A string literal, and the line that it begins in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// The reason of a lint's exception, which only the compiler reads.
    pub(crate) is_reason: bool,
}

/// A file without its comments and what is in its strings, and those strings. What stands behind `#[cfg(test)]` is left
/// out: the tests of the inside are at the end of a file.
pub(crate) fn read(source: &str) -> (String, Vec<Literal>) {
    let source = ["#[cfg(test)]\nmod tests", "#[cfg(all(test, larder_loom))]\nmod models {"]
        .iter()
        .fold(source, |source, tests| source.split(tests).next().unwrap_or_default());
    let bytes: Vec<char> = source.chars().collect();
    let (mut code, mut literals) = (String::new(), Vec::new());
    let (mut at, mut line) = (0, 1);
    while let Some(&here) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        let before = code.chars().next_back().unwrap_or(' ');
        let starts_word = !before.is_alphanumeric() && before != '_';
        let end = match here {
            '/' if next == '/' => bytes[at..].iter().position(|c| *c == '\n').map_or(bytes.len(), |n| at + n),
            '/' if next == '*' => end_of_comment(&bytes, at),
            '"' => literal(&bytes, at, 0, line, &mut literals),
            'r' if starts_word && is_raw(&bytes, at + 1) => {
                let hashes = bytes[at + 1..].iter().take_while(|c| **c == '#').count();
                literal(&bytes, at + 1 + hashes, hashes + 1, line, &mut literals)
            }
            '\'' if next == '\\' => {
                bytes[at + 3..].iter().position(|c| *c == '\'').map_or(bytes.len(), |n| at + n + 4)
            }
            '\'' if bytes.get(at + 2) == Some(&'\'') => at + 3,
            _ => {
                code.push(here);
                at + 1
            }
        };
        line += bytes[at..end].iter().filter(|c| **c == '\n').count();
        if end > at + 1 {
            // So that the words on both sides do not become one.
            code.push(' ');
        }
        at = end;
    }
    (code, literals)
}

fn is_raw(bytes: &[char], at: usize) -> bool {
    bytes[at..].iter().find(|c| **c != '#') == Some(&'"')
}

fn end_of_comment(bytes: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Steps over the literal whose opening quote stands here. `raw` is the number of hashes and one, or zero.
fn literal(bytes: &[char], quote: usize, raw: usize, line: usize, literals: &mut Vec<Literal>) -> usize {
    let (mut at, mut text) = (quote + 1, String::new());
    while let Some(&here) = bytes.get(at) {
        if raw == 0 && here == '\\' {
            match bytes.get(at + 1) {
                Some('\n') => {
                    at += 2;
                    at += bytes[at..].iter().take_while(|c| c.is_whitespace()).count();
                    continue;
                }
                Some('n') => text.push('\n'),
                Some(other) => text.push(*other),
                None => {}
            }
            at += 2;
            continue;
        }
        let hashes = raw.saturating_sub(1);
        if here == '"' && bytes[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            at += 1 + hashes;
            break;
        }
        text.push(here);
        at += 1;
    }
    let is_reason = bytes[..quote].ends_with(&['r', 'e', 'a', 's', 'o', 'n', ' ', '=', ' ']);
    literals.push(Literal { line, text, is_reason });
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_strings_are_distinguished() {
        let source = "use a::b; // \"no\"\n/* /* x */ \"y\" */ let c = '\"'; let d = \"one \\\n    two\";\nlet e = r#\"a \"b\"\"#;\nfn f<'a>() {}\n#[cfg(test)]\nmod tests { \"z\" }";
        let (code, literals) = read(source);
        assert!(code.contains("use a::b;") && code.contains("fn f<'a>()") && !code.contains("no"));
        let found: Vec<(usize, &str)> =
            literals.iter().map(|literal| (literal.line, &*literal.text)).collect();
        assert_eq!(found, [(2, "one two"), (4, "a \"b\"")]);
    }
}
