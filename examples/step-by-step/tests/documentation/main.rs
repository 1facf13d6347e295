//! The pages under `docs/` that show code: every program of the story prints what its page says, every block that is
//! marked as an excerpt stands in the file it names, and every piece of configuration is one that Larder accepts.
//!
//! A mark is a comment before a block: `<!-- excerpt: FILE -->`, with a path from this crate's folder, or
//! `<!-- output: PROGRAM -->`. A line `// …` or `# …` in an excerpt stands for what was left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is wrong here ends the test")]

mod excerpts;
mod features;
mod page;
mod story;
