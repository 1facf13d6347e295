//! A pool of eight threads that ask for the same page at once: one of them renders it.
//!
//! `cargo run -p larder --features blocking --example threads`

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

use larder::{Key, Larder, blocking};

static RENDERED: AtomicU32 = AtomicU32::new(0);

fn render() -> Result<String, std::io::Error> {
    thread::sleep(Duration::from_millis(50));
    RENDERED.fetch_add(1, Relaxed);
    Ok(format!("<p>served by {}</p>", std::env::current_exe()?.display()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let larder = Larder::load()?;
    let runtime = blocking::Runtime::new()?;
    let pages: blocking::Cache<String> = runtime.cache(larder.cache("pages")?);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| match pages.get_or_load(&Key::new("page").part("home"), render) {
                Ok(page) => println!("{}", *page),
                Err(error) => eprintln!("{}", error.chain()),
            });
        }
    });
    println!("rendered {} times", RENDERED.load(Relaxed));
    Ok(())
}
