//! A command-line program without a runtime: counts the lines of files, and remembers each count for as long as the program runs.
//! With `LARDER_STORES__MAIN__BACKEND=redis` and a URL, the next start remembers as well.
//!
//! `cargo run -p larder --features blocking --example cli -- Cargo.toml README.md Cargo.toml`

use std::{env, error::Error, fs};

use larder::{Key, Larder, Status, blocking};

fn main() -> Result<(), Box<dyn Error>> {
    let larder = Larder::load()?;
    let runtime = blocking::Runtime::new()?;
    let counts: blocking::Cache<usize> = runtime.cache(larder.cache("lines")?);
    for path in env::args().skip(1) {
        let key = Key::new("lines").part(path.as_str());
        let file = path.clone();
        let lines =
            counts.get_or_load(&key, move || fs::read_to_string(file).map(|text| text.lines().count()))?;
        let how = if lines.status() == Status::Hit { "remembered" } else { "counted" };
        println!("{:6} {path} ({how})", *lines);
    }
    runtime.wait(async move { larder.close().await })??;
    Ok(())
}
