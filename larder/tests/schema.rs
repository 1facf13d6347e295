//! The JSON Schema: it is the one in the documentation, it is a schema, and it agrees with what is accepted.

#![cfg(all(
    feature = "schema",
    feature = "yaml",
    feature = "quick-cache",
    feature = "moka",
    feature = "redis",
    feature = "memcached",
    feature = "gzip",
    feature = "zstd"
))]
// Clippy's exception for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use jsonschema::Validator;
use larder::{Larder, Registry, backend::NullBackend};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn validator(registry: &Registry) -> Validator {
    let schema = larder::schema(registry);
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn from_toml(text: &str) -> Value {
    toml::from_str(text).unwrap()
}

#[test]
fn the_schema_in_the_documentation_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/larder.schema.json");
    let documented: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        documented == larder::schema(&Registry::with_defaults()),
        "run: cargo run -p larder --example schema --all-features > docs/larder.schema.json"
    );
}

#[test]
fn the_example_is_what_the_schema_and_the_program_accept() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/larder.example.toml");
    let example = from_toml(&fs::read_to_string(path).unwrap());
    let errors: Vec<String> =
        validator(&Registry::with_defaults()).iter_errors(&example).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");

    let variables = [("REDIS_URL", "redis://cache.internal")];
    let larder = Larder::builder().file(path).environment(variables).build().unwrap();
    let search = larder.cache::<String>("search").unwrap();
    assert_eq!(search.namespace().text(), "shop/search@2");
    // No variable of the shared store is needed where it is in memory.
    let development =
        Larder::builder().file(path).environment([("LARDER_PROFILE", "development")]).build().unwrap();
    assert!(!development.cache::<String>("search").unwrap().capabilities().shared);
}

#[test]
fn schema_and_program_agree() {
    let validator = validator(&Registry::with_defaults());
    for (accepted, text) in [
        (true, ""),
        (true, "[stores.main]\nbackend = \"memory\"\n"),
        (true, "[stores.main]\nbackend = \"quick-cache\"\nmax_entries = 5\ndeadline = \"none\"\n"),
        (true, "[stores.main]\nbackend = \"moka\"\nmax_bytes = 1000000\n"),
        (
            true,
            "[stores.main]\nbackend = \"redis\"\nurl = \"redis://h\"\npassword = \"x\"\ndeadline = \"1s\"\n",
        ),
        (true, "[stores.main]\nbackend = \"redis\"\nurl = \"redis://h\"\npassword.env = \"HOME\"\n"),
        (true, "[stores.main]\nbackend = \"memcached\"\nservers = \"a:1,b:2\"\n"),
        (
            true,
            "[stores.main]\nbackend = \"memcached\"\nservers = [\"a\", { address = \"b\", weight = 2 }]\n",
        ),
        (
            true,
            "[defaults]\nttl = \"never\"\ncodec = \"zstd\"\ncompress_above = \"1 KiB\"\ninvalidation_lag = \"0s\"\n",
        ),
        (true, "[caches.a]\nnamespace = \"x/y\"\nschema = 4294967295\nmax_value = \"1GB\"\n"),
        (true, "[codecs.zstd]\nlevel = 22\n"),
        (true, "[profiles.p.stores.main]\ndeadline = \"1s\"\n"),
        (false, "[stores.main]\nbackend = \"null\"\nurl = \"redis://h\"\n"),
        (false, "[stores.main]\nbackend = \"redis\"\n"),
        (false, "[stores.main]\nbackend = \"redis\"\nurl = 5\n"),
        (false, "[stores.main]\nbackend = \"redis\"\nurl = \"redis://h\"\nmax_entries = 5\n"),
        (false, "[stores.main]\nbackend = \"redis\"\nurl = \"redis://h\"\npassword = { fil = \"x\" }\n"),
        (
            false,
            "[stores.main]\nbackend = \"redis\"\nurl = \"redis://h\"\npassword = { env = \"HOME\", file = \"x\" }\n",
        ),
        (false, "[stores.main]\nmax_entries = 5\n"),
        (false, "[stores.main]\nbackend = \"memory\"\nmax_entries = \"5\"\n"),
        (false, "[stores.main]\nbackend = \"memory\"\ndeadline = 50\n"),
        (false, "[stores.main]\nbackend = \"couch\"\n"),
        (false, "[defaults]\nttl = 60\n"),
        (false, "[defaults]\nttl = \"forever\"\n"),
        (false, "[defaults]\ncodec = \"lzma\"\n"),
        (false, "[defaults]\nformat = \"xml\"\n"),
        (false, "[defaults]\nnamespace = \"x\"\n"),
        (false, "[caches.a]\nschema = -1\n"),
        (false, "[caches.a]\nnope = 1\n"),
        (false, "[codecs.zstd]\nlevel = 23\n"),
        (false, "[codecs.lzma]\n"),
        (false, "[cache.a]\n"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("larder.toml"), text).unwrap();
        let variables: [(&str, &str); 1] = [("HOME", "/home")];
        let built = Larder::builder().directory(directory.path()).environment(variables).build();
        assert_eq!(built.is_ok(), accepted, "{text}: {built:?}");
        let errors: Vec<String> =
            validator.iter_errors(&from_toml(text)).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), accepted, "{text}: {errors:#?}");
    }
}

#[test]
fn the_program_s_own_are_in_it() {
    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Mine {
        size: u32,
    }
    let registry = Registry::with_defaults()
        .register("mine", |_: Mine, _| Ok(NullBackend::new()))
        .describe::<Mine>("mine")
        .register("theirs/#1", |_: Mine, _| Ok(NullBackend::new()));
    let validator = validator(&registry);
    let store = |store: Value| json!({ "stores": { "main": store } });
    assert!(validator.is_valid(&store(json!({ "backend": "mine", "size": 5 }))));
    assert!(!validator.is_valid(&store(json!({ "backend": "mine" }))));
    assert!(!validator.is_valid(&store(json!({ "backend": "mine", "size": 5, "url": "x" }))));
    // Nobody has described this one.
    assert!(validator.is_valid(&store(json!({ "backend": "theirs/#1", "anything": 5 }))));
}
