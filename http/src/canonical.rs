//! A canonical form of JSON that never takes two different bodies for one, and digests over what makes a request.
//!
//! Members are sorted by name, except where an engine's answer depends on their order ([`Keep`]). Numbers stay the tokens they
//! are: 18446744073709551617 and …618 are one f64 (which is what RFC 8785 makes of them) and two questions. Strings are
//! unescaped and escaped again in one way; they are not normalised. What has no canonical form says why ([`Fault`]).

mod digester;
mod write;

pub use self::{
    digester::{Digester, VERSION},
    write::Keep,
};
use crate::json::tape::Tape;
pub use crate::json::{Fault, Limits};

/// Says for the member of a name how its value is to be treated. Names are unescaped.
pub type Order = fn(name: &[u8]) -> Keep;

/// Sorts everything: for JSON that has no order anywhere.
pub fn sorted(_: &[u8]) -> Keep {
    Keep::Sorted
}

/// The canonical form of a text.
///
/// # Errors
/// [`Fault`], where there is none: the text is too long, too deep, not JSON, has half of a surrogate pair, or a name twice in one
/// object.
///
/// ```
/// use larder_http::canonical::{Limits, canonical, sorted};
///
/// let form = canonical(br#"{ "b": 1.0, "a": "\u0041\/" }"#, Limits::default(), sorted)?;
/// assert_eq!(form, br#"{"a":"A/","b":1.0}"#);
/// # Ok::<(), larder_http::canonical::Fault>(())
/// ```
pub fn canonical(text: &[u8], limits: Limits, order: Order) -> Result<Vec<u8>, Fault> {
    write_tape(&Tape::read(text, limits)?, order)
}

/// The same for the value of a member that is treated so.
///
/// # Errors
/// As [`canonical`].
pub fn canonical_member(value: &[u8], limits: Limits, order: Order, keep: Keep) -> Result<Vec<u8>, Fault> {
    write::write(&Tape::read(value, limits)?, keep, order)
}

/// The canonical form of a text that was read.
pub(crate) fn write_tape(tape: &Tape<'_>, order: Order) -> Result<Vec<u8>, Fault> {
    write::write(tape, Keep::Sorted, order)
}
