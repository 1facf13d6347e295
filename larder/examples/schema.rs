//! Prints the JSON Schema of a configuration, for everything that was compiled in:
//! `cargo run -p larder --example schema --all-features > docs/larder.schema.json`.

fn main() {
    let schema = larder::schema(&larder::Registry::with_defaults());
    println!("{schema:#}");
}
