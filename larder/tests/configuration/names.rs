//! How names are matched: of caches that are declared and of those that are not, and of variables, which know
//! neither small letters nor `-`.

use larder::ErrorKind;

use crate::setup::Setup;

const LOCAL: &str = "[stores.main]\nbackend = \"local\"\n";

#[test]
fn variables_match_names_with_hyphens_and_capitals() {
    let setup =
        Setup::toml("[stores.near-by]\nbackend = \"local\"\n[caches.search-results]\n[caches.Users]\n")
            .variable("LARDER_STORES__NEAR_BY__MAX_ENTRIES", "5")
            .variable("LARDER_CACHES__SEARCH_RESULTS__TTL", "1s")
            .variable("LARDER_CACHES__USERS__TTL", "2s");
    let variable = "from environment variable";
    assert_eq!(
        setup.explained("stores.near-by.max_entries"),
        format!("5 {variable} LARDER_STORES__NEAR_BY__MAX_ENTRIES")
    );
    assert_eq!(
        setup.explained("caches.search-results.ttl"),
        format!("\"1s\" {variable} LARDER_CACHES__SEARCH_RESULTS__TTL")
    );
    assert_eq!(setup.explained("caches.Users.ttl"), format!("\"2s\" {variable} LARDER_CACHES__USERS__TTL"));
}

#[test]
fn a_variable_that_fits_two_names_is_refused() {
    let setup = Setup::toml(&format!("{LOCAL}[caches.a-b]\n[caches.A_B]\n"))
        .variable("LARDER_CACHES__A_B__TTL", "1s");
    assert_eq!(
        setup.mistake(),
        "environment variable LARDER_CACHES__A_B__TTL: the name matches several keys: A_B, a-b"
    );
    // Unless it is one of them to the letter.
    let setup = Setup::toml(&format!("{LOCAL}[caches.a-b]\n[caches.a_b]\n"))
        .variable("LARDER_CACHES__A_B__TTL", "1s");
    assert!(setup.explained("caches.a_b.ttl").contains("environment"));
    assert!(setup.explained("caches.a-b.ttl").contains("built-in"));
}

#[test]
fn two_variables_for_one_key_are_refused() {
    let setup =
        Setup::toml(LOCAL).variable("LARDER_CACHES__A__TTL", "1s").variable("LARDER_CACHES__a__TTL", "2s");
    assert_eq!(
        setup.mistake(),
        "caches.a.ttl (environment variable LARDER_CACHES__a__TTL): the variable LARDER_CACHES__A__TTL sets the \
         same; keep one of them"
    );
    let setup = Setup::toml(LOCAL)
        .variable("LARDER_STORES__MAIN__NESTED", "x")
        .variable("LARDER_STORES__MAIN__NESTED__DEPTH", "2");
    assert!(setup.mistake().contains("LARDER_STORES__MAIN__NESTED sets the same"));
}

#[test]
fn declared_caches_are_all_there_are() {
    let larder = Setup::toml(&format!("{LOCAL}[caches.search]\n[caches.users]\n")).build();
    assert!(larder.cache::<String>("search").is_ok());
    let error = larder.cache::<String>("serach").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "there is no cache \"serach\", did you mean \"search\"? Accepted: search, users"
    );
}

#[test]
fn where_none_is_declared_every_name_is_a_cache() {
    let setup = Setup::toml(LOCAL)
        // Tuning one cache must not take the others away.
        .variable("LARDER_CACHES__SEARCH_RESULTS__SCHEMA", "2");
    let larder = setup.build();
    assert_eq!(larder.cache::<String>("search-results").unwrap().namespace().text(), "search-results@2");
    assert_eq!(larder.cache::<String>("users").unwrap().namespace().text(), "users");
}

#[test]
fn a_variable_for_a_cache_that_is_not_declared_is_refused() {
    let setup =
        Setup::toml(&format!("{LOCAL}[caches.search]\n")).variable("LARDER_CACHES__SERACH__TTL", "1s");
    assert_eq!(
        setup.mistake(),
        "caches.serach (environment variable LARDER_CACHES__SERACH__TTL): there is no cache \"serach\", did you \
         mean \"search\"? Accepted: search"
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    // What Kubernetes sets in every pod beside a service called larder.
    let setup = Setup::toml(LOCAL)
        .variable("LARDER_PORT", "tcp://10.0.0.1:80")
        .variable("LARDER_SERVICE_HOST", "10.0.0.1")
        .variable("LARDER_CACHE_PORT_6379_TCP_ADDR", "10.0.0.1")
        .variable("LARDERS__STORES__MAIN__BACKEND", "nonsense");
    setup.build();
}

#[test]
fn namespaces_are_the_cache_s_name_unless_it_says_otherwise() {
    let setup = Setup::toml(&format!("{LOCAL}[caches.a]\nnamespace = \"shop/users\"\nschema = 3\n"));
    assert_eq!(setup.build().cache::<u8>("a").unwrap().namespace().text(), "shop/users@3");
}
