//! What most services need, for one `use`: `use larder::prelude::*;`.
//!
//! Nothing here has a name that hides one of the standard library's prelude: `Result` and `Error` are not in it.
//!
//! ```
//! use larder::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), larder::Error> {
//! # let larder = Larder::builder().set("stores.main.backend", "null").build()?;
//! # #[cfg(any())]
//! let larder = Larder::load()?;
//! let users: Cache<String> = larder.cache("users")?;
//! let found = users.get_or_load(&Key::new("user").part(7), || async { Ok::<_, larder::Error>("Ada".to_owned()) }).await?;
//! assert_eq!(*found, "Ada");
//! # Ok(()) }
//! ```

pub use crate::{Cache, Key, Larder, Loaded, Policy, Status, Ttl};
