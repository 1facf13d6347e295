//! Every value of a file knows its line and column, in every format, in errors and in explanations.

use crate::setup::Setup;

/// The places that the mistakes of a file name.
fn places(setup: &Setup) -> Vec<String> {
    let error = setup.builder().build().unwrap_err().to_string();
    let text = setup.with_positions(&error);
    text.split("(file ").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

#[test]
fn toml() {
    let setup = Setup::toml(
        "# Comments count.\n\n[stores.main]\nbackend = \"remote\"\n  database = 300\nservers = [\n  \"a\",\n  2,\n]\n\
         nested = { depth = \"x\" }\n[caches.\"a.b\"]\nttl = 1\n",
    );
    assert_eq!(
        places(&setup),
        ["larder.toml:5:3", "larder.toml:10:12", "larder.toml:8:3", "larder.toml:12:1"]
    );
}

#[test]
fn json() {
    let text = "{\n \"stores\": {\"main\": {\"backend\": \"remote\",\n  \"database\": 300, \"servers\": [\"é\", 2]}},\n \
                \"caches\": {\"a\": {\"ttl\": 1}}}";
    let setup = Setup::new().file("larder.json", text);
    assert_eq!(places(&setup), ["larder.json:3:3", "larder.json:3:37", "larder.json:4:19"]);
}

#[cfg(feature = "yaml")]
#[test]
fn yaml() {
    let text = "stores:\n  main: &main\n    backend: remote\n    database: 300\n    servers: [a, {}]\n\
                caches:\n  a: {ttl: 1}\n";
    let setup = Setup::new().file("larder.yaml", text);
    assert_eq!(places(&setup), ["larder.yaml:4:5", "larder.yaml:5:18", "larder.yaml:7:7"]);
}

#[test]
fn explanations_have_it_as_well() {
    let setup = Setup::toml(
        "[defaults]\nttl = \"1s\"\n[stores.main]\nbackend = \"local\"\n[profiles.p.caches.a]\ncodec = \"none\"\n[caches.a]\n",
    )
    .file("larder.p.toml", "\n[caches.a]\njitter = \"1s\"\n")
    .variable("LARDER_PROFILE", "p");
    let larder = setup.build();
    let place = |key: &str| setup.with_positions(&larder.explain().get(key).unwrap().origin.to_string());
    assert_eq!(place("stores.main.backend"), "file larder.toml:4:1");
    assert_eq!(place("caches.a.codec"), "profile section in file larder.toml:6:1");
    assert_eq!(place("caches.a.jitter"), "file larder.p.toml:3:1");
    // What is inherited stands where it is written.
    assert_eq!(place("caches.a.ttl"), "file larder.toml:2:1");
    assert_eq!(place("defaults.lease"), "built-in default");
}

/// A constructor's error is about the key that it names, and blames the layer that said it.
#[test]
fn what_a_constructor_refuses() {
    let setup = Setup::toml("[stores.main]\nbackend = \"remote\"\ndatabase = 16\nuser = \"app\"\n")
        .variable("LARDER_STORES__MAIN__USER", "shop");
    assert_eq!(places(&setup), ["larder.toml:3:1"]);
    let setup = setup.variable("LARDER_STORES__MAIN__DATABASE", "17");
    assert_eq!(
        setup.mistake(),
        "stores.main.database (environment variable LARDER_STORES__MAIN__DATABASE): database 17 is above 15"
    );
}
