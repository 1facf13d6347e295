//! What programs do with a configuration: sections of their own, advice, caches that are made from within others.

use std::{sync::mpsc, thread, time::Duration};

use async_trait::async_trait;
use larder::{
    Key, Larder, Registry,
    backend::{Backend as _, Capabilities, Forward, GetOptions, Invalidation, Lookup, NullBackend},
    key::StoreKey,
};
use serde::{Deserialize, Serialize};

use crate::setup::{Setup, registry};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Proxy {
    listen: String,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    token: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Limits {
    clients: u16,
}

fn with_proxy() -> Registry {
    registry(|_| ()).register_section::<Proxy>("proxy")
}

const FILE: &str = "[stores.main]\nbackend = \"local\"\n[proxy]\nlisten = \"a:1\"\ntoken = \"hunter2\"\n";

#[test]
fn sections_of_the_program_s_own() {
    let setup = Setup::toml(FILE).variable("LARDER_PROXY__LIMITS__CLIENTS", "9");
    let larder = setup.builder().registry(with_proxy()).build().unwrap();
    let proxy = larder.section::<Proxy>("proxy").unwrap();
    assert_eq!((&*proxy.listen, proxy.limits.clients, &*proxy.token), ("a:1", 9, "hunter2"));
    assert_eq!(setup.explained_of(&larder, "proxy.listen"), "\"a:1\" from file larder.toml");
    let expected = "9 from environment variable LARDER_PROXY__LIMITS__CLIENTS";
    assert_eq!(setup.explained_of(&larder, "proxy.limits.clients"), expected);
    assert!(!larder.explain().to_string().contains("hunter2"), "{}", larder.explain());
    // Another type, another name.
    assert!(larder.section::<Limits>("proxy").is_none() && larder.section::<Proxy>("other").is_none());
}

#[test]
fn they_are_checked_like_any_other() {
    let text = format!("{FILE}[proxy.limits]\nclints = 1\nclients = \"many\"\n");
    let setup = Setup::toml(&text);
    assert_eq!(
        setup.mistakes_of(setup.builder().registry(with_proxy())),
        [
            "proxy.limits.clients (file larder.toml): found \"many\", expected a whole number from 0 to 65535",
            "proxy.limits.clints (file larder.toml): unknown key, did you mean \"clients\"? Accepted: clients",
        ]
    );
    // Without the registration it is a section that nobody knows.
    assert_eq!(
        Setup::toml(FILE).mistake(),
        "proxy (file larder.toml): unknown section. Accepted: defaults, stores, codecs, caches"
    );
    // One that is not there and cannot do without is no error.
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\n");
    let larder = setup.builder().registry(with_proxy()).build().unwrap();
    assert!(larder.section::<Proxy>("proxy").is_none());
}

/// The program's closure runs without the lock: it asks for another cache, and for the same one.
#[test]
fn a_cache_is_made_from_within_another() {
    let larder = Setup::toml("[stores.main]\nbackend = \"local\"\n").build();
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        let outer = larder.cache_with::<String>("outer", |builder| {
            larder.cache::<String>("inner").unwrap();
            larder.cache::<String>("outer").unwrap();
            builder
        });
        // Both are the one that was there first.
        assert_eq!(outer.unwrap().namespace().text(), "outer");
        sender.send(()).unwrap();
    });
    receiver
        .recv_timeout(Duration::from_mins(1))
        .expect("the closure waits for a lock that its caller holds");
    worker.join().unwrap();
}

#[test]
fn a_configuration_without_anything_odd_gets_no_advice() {
    let larder = Setup::toml(
        "[stores.main]\nbackend = \"remote\"\n[caches.a]\nttl = \"1m\"\nlease = \"1s\"\n[caches.b]\nttl = \"2m\"\n",
    )
    .build();
    assert_eq!(larder.advice(), []);
}

/// A store whose server is not set up as a cache wants it.
#[derive(Debug)]
struct Advising(NullBackend);

#[async_trait]
impl Forward for Advising {
    type Inner = NullBackend;

    fn inner(&self) -> &NullBackend {
        &self.0
    }

    fn advice(&self) -> Vec<String> {
        vec!["set maxmemory-policy to allkeys-lfu".to_owned()]
    }
}

/// With every layer around it.
#[test]
fn what_a_store_has_noticed_of_its_server_is_advice() {
    let registry =
        Registry::empty().register("advising", |NoSettings {}, _| Ok(Advising(NullBackend::new())));
    let toml = "[stores.main]\nbackend = \"advising\"\ndeadline = \"50ms\"\nbreaker = {}\ntrace = true\n";
    let advice = Setup::toml(toml).builder().registry(registry).build().unwrap().advice();
    let said: Vec<_> = advice.iter().map(|advice| (&*advice.key, &*advice.message)).collect();
    assert_eq!(said, [("stores.main", "set maxmemory-policy to allkeys-lfu")]);
}

/// What is beside the file may be called like a profile's file and be none.
#[test]
fn examples_and_schemas_beside_the_file_are_no_profiles() {
    let setup = Setup::toml("[stores.main]\nbackend = \"local\"\n")
        .file("larder.schema.json", "{\"properties\": {}}")
        .file("larder.example.toml", "[stores.main]\nbackend = \"remoet\"\n[profiles.production]\n");
    assert_eq!(setup.build().advice(), []);
    let setup = setup.file("larder.production.toml", "[stores.main]\nbackend = \"remoet\"\n");
    let advice = setup.build().advice();
    assert_eq!((advice.len(), &*advice[0].key), (1, "stores.main.backend"), "{advice:?}");
}

/// A store that takes its time for every read.
#[derive(Debug)]
struct Slow(NullBackend);

#[async_trait]
impl Forward for Slow {
    type Inner = NullBackend;

    fn inner(&self) -> &NullBackend {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::shared()
    }

    fn invalidation(&self) -> Invalidation<'_> {
        Invalidation::There
    }

    async fn get(&self, key: &StoreKey<'_>, options: &GetOptions) -> larder::Result<Lookup> {
        thread::sleep(Duration::from_micros(1));
        self.0.get(key, options).await
    }
}

#[derive(Serialize, Deserialize)]
struct NoSettings {}

/// What has been counted says more than what was configured.
#[tokio::test]
async fn a_cache_that_costs_more_than_it_saves() {
    let registry = Registry::empty().register("slow", |NoSettings {}, _| Ok(Slow(NullBackend::new())));
    let directory = tempfile::tempdir().unwrap();
    let larder = Larder::builder()
        .directory(directory.path())
        .environment([("LARDER_STORES__MAIN__BACKEND", "slow")])
        .registry(registry)
        .build()
        .unwrap();
    let cache = larder.cache::<u64>("pointless").unwrap();
    let key = Key::new("n");
    for number in 0..1000_u64 {
        if number < 100 {
            assert_eq!(larder.advice(), []);
        }
        let key = key.clone().part(number);
        cache.get_or_load(&key, move || async move { Ok::<_, larder::Error>(number) }).await.unwrap();
    }
    let advice = larder.advice();
    let costs = advice.iter().find(|advice| advice.key == "caches.pointless.store").expect("no advice");
    assert!(costs.message.starts_with("after 1000 reads the cache has cost "), "{costs}");
    let deadline = advice.iter().find(|advice| advice.key == "stores.main.deadline").expect("no advice");
    assert!(deadline.message.starts_with("the deadline of 50ms is longer than a load"), "{deadline}");
}
