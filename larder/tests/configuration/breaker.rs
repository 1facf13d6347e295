//! `[stores.NAME.breaker]`: which stores have one, from which layers, and who is notified.

use std::sync::{Arc, Mutex};

use larder::{
    Backend as _, Clock, ErrorKind, Listener,
    backend::{Circuit, GetOptions},
    cache::Event,
    key::{Key, Namespace, StoreKey},
    layer::{Faults, Mishap},
};

use super::setup::Setup;

const MAIN: &str = "[stores.main]\nbackend = \"remote\"\n";

fn has_breaker(setup: &Setup) -> bool {
    !setup.build().store("main").unwrap().circuits().is_empty()
}

#[test]
fn shared_stores_with_a_deadline_have_one_and_others_have_none() {
    let with = |text: &str| Setup::toml(&format!("{MAIN}{text}"));
    let setup = with("");
    assert!(has_breaker(&setup));
    for (key, value) in [("failures", "0.5"), ("window", "32"), ("open_for", "\"1s\""), ("slow", "\"none\"")]
    {
        let explained = setup.explained(&format!("stores.main.breaker.{key}"));
        assert_eq!(explained, format!("{value} from built-in default"));
    }
    assert!(!has_breaker(&with("deadline = \"none\"\n")));
    assert!(!has_breaker(&with("breaker = \"none\"\n")));
    assert_eq!(
        with("breaker = \"none\"\n").explained("stores.main.breaker"),
        "\"none\" from file larder.toml"
    );
    let near = Setup::toml("[stores.main]\nbackend = \"local\"\n");
    assert!(!has_breaker(&near));
    assert_eq!(near.explained("stores.main.breaker"), "\"none\" from built-in default");
    assert!(has_breaker(&Setup::toml("[stores.main]\nbackend = \"local\"\nbreaker = {}\n")));
    // Accepted, and worth a look: nothing that hangs would be noticed.
    let advice = with("deadline = \"none\"\nbreaker = {}\n").build().advice();
    assert!(advice.iter().any(|advice| advice.key == "stores.main.breaker"), "{advice:?}");
    assert!(with("").build().advice().is_empty());
}

/// Around everything else, so that it shows what callers get.
#[test]
fn spans_are_made_where_they_are_asked_for() {
    let with = |text: &str| Setup::toml(&format!("{MAIN}{text}"));
    let shown = |setup: &Setup| format!("{:?}", setup.build().store("main").unwrap());
    assert!(shown(&with("trace = true\n")).starts_with("Trace { inner: Breaker {"));
    assert!(shown(&with("trace = true\ndeadline = \"none\"\n")).starts_with("Trace {"));
    for setup in [with(""), with("trace = false\n")] {
        assert!(!shown(&setup).contains("Trace"));
    }
    assert_eq!(with("").explained("stores.main.trace"), "false from built-in default");
    let setup = with("").variable("LARDER_STORES__MAIN__TRACE", "true");
    assert!(shown(&setup).starts_with("Trace {"));
}

#[test]
fn layers_change_what_they_name() {
    let setup = Setup::toml(&format!("{MAIN}breaker = {{ open_for = \"2s\", window = 64 }}\n"))
        .variable("LARDER_STORES__MAIN__BREAKER__FAILURES", "0.25");
    assert_eq!(setup.explained("stores.main.breaker.window"), "64 from file larder.toml");
    assert_eq!(setup.explained("stores.main.breaker.open_for"), "\"2s\" from file larder.toml");
    let expected = "0.25 from environment variable LARDER_STORES__MAIN__BREAKER__FAILURES";
    assert_eq!(setup.explained("stores.main.breaker.failures"), expected);
    assert!(!has_breaker(&Setup::toml(MAIN).variable("LARDER_STORES__MAIN__BREAKER", "none")));
}

#[test]
fn faults_are_for_stores_that_there_are() {
    let faults = || Faults::new(&Clock::system());
    let setup = Setup::toml(MAIN);
    setup.builder().faults("main", faults()).build().unwrap();
    let error = setup.builder().faults("mian", faults()).build().unwrap_err();
    let said = error.chain().to_string();
    assert!(said.contains("stores.mian") && said.contains("did you mean \"main\"?"), "{said}");
}

/// Hears of breakers.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Listener for Heard {
    fn on_event(&self, _: &str, _: &Event<'_>) {}

    fn on_circuit(&self, store: &str, circuit: &Circuit) {
        self.0.lock().unwrap().push(format!("{store} {}", circuit.state));
    }
}

#[tokio::test]
async fn the_listener_receives_each_change() {
    let heard = Heard::default();
    let faults = Faults::new(&Clock::system());
    faults.always(Mishap::Fails(ErrorKind::Unavailable));
    let setup = Setup::toml(&format!("{MAIN}breaker = {{ window = 8 }}\n"));
    let larder = setup.builder().listener(heard.clone()).faults("main", faults).build().unwrap();
    let store = larder.store("main").unwrap();
    let (space, key) = (Namespace::new("n", 0).unwrap(), Key::new("k"));
    for _ in 0..10 {
        store.get(&StoreKey::new(&space, &key), &GetOptions::new()).await.unwrap_err();
    }
    assert_eq!(*heard.0.lock().unwrap(), ["main open"]);
}
