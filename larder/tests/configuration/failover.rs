//! `[stores.NAME] failover`: which stores have a second one, from which layers, and in which order the layers stand.

use larder::Backend as _;

use super::setup::Setup;

const BOTH: &str = "[stores.standby]\nbackend = \"remote\"\n[stores.main]\nbackend = \"remote\"\n";

fn with(text: &str) -> Setup {
    Setup::toml(&format!("{BOTH}{text}"))
}

fn shown(setup: &Setup) -> String {
    format!("{:?}", setup.build().store("main").unwrap())
}

/// Around both stores with all that is theirs, and within the spans, which show what callers get.
#[test]
fn it_is_around_both_stores_with_their_own_layers() {
    let setup = with("failover = \"standby\"\n");
    assert!(shown(&setup).starts_with("Failover { first: Breaker { inner: Fake"), "{}", shown(&setup));
    assert!(shown(&setup).contains("second: Breaker { inner: Fake"), "{}", shown(&setup));
    assert_eq!(setup.build().store("main").unwrap().circuits().len(), 2);
    assert_eq!(setup.build().store("standby").unwrap().circuits().len(), 1);
    assert_eq!(setup.explained("stores.main.failover"), "\"standby\" from file larder.toml");
    assert_eq!(setup.explained("stores.standby.failover"), "\"none\" from built-in default");
    let traced = with("failover = \"standby\"\ntrace = true\n");
    assert!(shown(&traced).starts_with("Trace { inner: Failover {"), "{}", shown(&traced));
    assert!(!shown(&with("")).contains("Failover"));
}

#[test]
fn layers_give_it_and_take_it() {
    let variable =
        |value: &str| with("failover = \"standby\"\n").variable("LARDER_STORES__MAIN__FAILOVER", value);
    assert!(!shown(&variable("none")).contains("Failover"));
    let setup = with("").variable("LARDER_STORES__MAIN__FAILOVER", "standby");
    assert!(shown(&setup).contains("Failover"));
    // The one that it names in the end counts, and has to be one of those that there are in the end.
    assert!(
        variable("other").mistake().contains("there is no store \"other\""),
        "{}",
        variable("other").mistake()
    );
    let own = with("failover = \"standby\"\n").variable("LARDER_STORES__STANDBY__FAILOVER", "main");
    assert!(own.mistakes().iter().all(|mistake| mistake.contains("name each other")), "{:?}", own.mistakes());
}
