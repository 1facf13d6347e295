//! What a shared HTTP cache decides (RFC 9110, 9111), as functions of header fields and a time that the caller gives.
//!
//! A caller does three things. Before it asks the upstream, [`reuse`](reuse::reuse) says whether something that is stored
//! answers the request. After the answer has come, [`storing`](storing::storing) says whether it may be stored, and
//! [`update`] what a 304 changes. After a request with an unsafe method, [`invalidation`] says what is no longer valid.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use http::{Request, Response};
//! use larder_http::caching::{Exchange, Rules, reuse::{Reuse, reuse}, storing::{Storing, storing}};
//!
//! let rules = Rules::default();
//! let asked = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let (request, ()) = Request::get("http://example.com/").body(()).unwrap().into_parts();
//! let (answer, ()) = Response::builder().header("cache-control", "max-age=60").body(()).unwrap().into_parts();
//!
//! let exchange = Exchange { request: &request, answer: &answer, asked, answered: asked };
//! let Storing::Store(stored) = storing(&exchange, &rules) else { panic!("it may be stored") };
//!
//! let later = asked + Duration::from_secs(59);
//! assert!(matches!(reuse(&request, [&*stored], later, &rules), Reuse::Hit { age: 59, .. }));
//! let later = asked + Duration::from_secs(60);
//! assert!(matches!(reuse(&request, [&*stored], later, &rules), Reuse::Revalidate { .. }));
//! ```

pub mod age;
pub mod cache_control;
pub mod cache_status;
pub mod conditional;
pub mod date;
pub mod directives;
pub mod fields;
pub mod freshness;
pub mod groups;
pub mod invalidation;
mod location;
pub mod reuse;
mod rules;
mod stored;
pub mod storing;
pub mod targeted;
pub mod update;
pub mod vary;

pub use rules::Rules;
pub use stored::{Exchange, Stored};
