//! What every value is written through: what a format would write and then read as something else is refused. Serde leaves
//! it to the format how a value is distinguished from another, and the formats differ: Postcard writes no field names, so a field
//! that is left out moves all that follow it; JSON writes `Some(None)`, `Some(())` and `NaN` as what `None` is written as.

mod counted;

use std::{cell::Cell, fmt, marker::PhantomData};

use serde::{Serialize, Serializer};

use self::counted::Counted;
use super::shape::Shape;

/// What a format cannot tell from something else.
pub(super) trait Rules: Copy {
    /// Fields are known by their place: one that is left out is read from the bytes of the next.
    const BY_PLACE: bool;
    /// `Some` is written as what is in it, and `None` and `()` alike.
    const NULL: bool;
    /// A unit struct is written as `None` is.
    const UNIT_STRUCT_IS_NULL: bool;
    /// Floats that are no numbers are written as `None` is.
    const FINITE: bool;
    /// Can take JSON text as it is.
    const RAW_JSON: bool;
    /// Lengths are written before what they count.
    const COUNTED: bool;
}

/// How serde_json's `RawValue` calls itself. What other formats make of it, it does not read.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Why a value was refused.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    LeftOut { of: &'static str, field: &'static str },
    Count { of: &'static str, said: usize, given: usize },
    Null,
    NotFinite,
    RawJson,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeftOut { of, field } => write!(
                f,
                "`{of}` leaves out its field `{field}` (`skip_serializing_if`), and this format, which writes no field names, \
                 would read another value; remove the attribute, or use msgpack or json"
            ),
            Self::Count { of, said, given } => write!(
                f,
                "the `Serialize` of `{of}` announces {said} elements and gives {given}, which would be read as another value"
            ),
            Self::Null => f.write_str(
                "it has a `Some` of `None`, `()` or null, which this format would read as `None`; use an enum in place of the nested \
                 option, or postcard",
            ),
            Self::NotFinite => f.write_str(
                "it has a float that is NaN or infinite, which JSON cannot represent; use msgpack or postcard, or an option",
            ),
            Self::RawJson => f.write_str("it has a `RawValue` of serde_json, which only json can read back"),
        }
    }
}

/// Serializes by this function, which is given the value as it is to be written: what it gives and the value's shape, or why the
/// value was refused.
pub(super) fn written<R: Rules, T: Serialize + ?Sized, B, E: fmt::Display>(
    value: &T,
    write: impl FnOnce(&Checked<'_, T, R>) -> Result<B, E>,
) -> Result<(B, Shape), String> {
    let seen = Seen::default();
    match write(&Checked { value, place: Place::at(&seen) }) {
        Ok(bytes) => Ok((bytes, seen.shape)),
        Err(why) => Err(seen.refusal.get().map_or_else(|| why.to_string(), |refusal| refusal.to_string())),
    }
}

/// What was seen of a value so far.
#[derive(Debug, Default)]
struct Seen {
    /// Formats differ in whether their errors have room for a message.
    refusal: Cell<Option<Refusal>>,
    shape: Shape,
}

/// Where in a value something stands.
struct Place<'w, R> {
    seen: &'w Seen,
    /// Right inside a `Some`.
    in_some: bool,
    /// The text of a `RawValue` right inside a `Some`.
    in_some_raw: bool,
    rules: PhantomData<R>,
}

impl<R> Clone for Place<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Place<'_, R> {}

impl<'w, R: Rules> Place<'w, R> {
    fn at(seen: &'w Seen) -> Self {
        Self { seen, in_some: false, in_some_raw: false, rules: PhantomData }
    }

    /// Inside a container.
    fn inside(self) -> Self {
        Self { in_some: false, in_some_raw: false, ..self }
    }

    fn in_some(self) -> Self {
        Self { in_some: R::NULL, ..self }
    }

    fn wrap<'v, T: ?Sized>(self, value: &'v T) -> Checked<'v, T, R>
    where
        'w: 'v,
    {
        Checked { value, place: self }
    }

    #[cold]
    fn refuse<E: serde::ser::Error>(self, refusal: Refusal) -> E {
        self.seen.refusal.set(Some(refusal));
        E::custom(refusal)
    }
}

/// A value that is written through the checks.
pub(super) struct Checked<'v, T: ?Sized, R> {
    value: &'v T,
    place: Place<'v, R>,
}

impl<T: Serialize + ?Sized, R: Rules> Serialize for Checked<'_, T, R> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Faithful { inner: serializer, place: self.place })
    }
}

/// A serializer with the checks around it.
struct Faithful<'w, S, R> {
    inner: S,
    place: Place<'w, R>,
}

macro_rules! plainly {
    ($($name:ident($ty:ty);)*) => {$(
        #[inline]
        fn $name(self, value: $ty) -> Result<S::Ok, S::Error> {
            self.inner.$name(value)
        }
    )*};
}

impl<'w, S: Serializer, R: Rules> Serializer for Faithful<'w, S, R> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Counted<'w, S::SerializeSeq, R>;
    type SerializeTuple = Counted<'w, S::SerializeTuple, R>;
    type SerializeTupleStruct = Counted<'w, S::SerializeTupleStruct, R>;
    type SerializeTupleVariant = Counted<'w, S::SerializeTupleVariant, R>;
    type SerializeMap = Counted<'w, S::SerializeMap, R>;
    type SerializeStruct = Counted<'w, S::SerializeStruct, R>;
    type SerializeStructVariant = Counted<'w, S::SerializeStructVariant, R>;

    plainly! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_bytes(&[u8]);
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if R::FINITE && !value.is_finite() {
            return Err(self.place.refuse(Refusal::NotFinite));
        }
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if R::FINITE && !value.is_finite() {
            return Err(self.place.refuse(Refusal::NotFinite));
        }
        self.inner.serialize_f64(value)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        if self.place.in_some_raw && value.trim_ascii() == "null" {
            return Err(self.place.refuse(Refusal::Null));
        }
        self.inner.serialize_str(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        if self.place.in_some {
            return Err(self.place.refuse(Refusal::Null));
        }
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&self.place.in_some().wrap(value))
    }

    #[inline]
    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        if self.place.in_some {
            return Err(self.place.refuse(Refusal::Null));
        }
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        if R::UNIT_STRUCT_IS_NULL && self.place.in_some {
            return Err(self.place.refuse(Refusal::Null));
        }
        self.inner.serialize_unit_struct(name)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // Written as what is in it.
        self.inner.serialize_newtype_struct(name, &self.place.wrap(value))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &self.place.inside().wrap(value))
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Counted::new(self.inner.serialize_seq(len)?, "a sequence", len, self.place))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Counted::new(self.inner.serialize_tuple(len)?, "a tuple", Some(len), self.place))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Counted::new(self.inner.serialize_tuple_struct(name, len)?, name, Some(len), self.place))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len)?;
        Ok(Counted::new(inner, name, Some(len), self.place))
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Counted::new(self.inner.serialize_map(len)?, "a map", len, self.place))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        if !R::RAW_JSON && name == RAW_VALUE {
            return Err(self.place.refuse(Refusal::RawJson));
        }
        let raw = R::RAW_JSON && self.place.in_some && name == RAW_VALUE;
        let fields = Counted::new(self.inner.serialize_struct(name, len)?, name, Some(len), self.place);
        Ok(if raw { fields.of_raw_in_some() } else { fields })
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self.inner.serialize_struct_variant(name, index, variant, len)?;
        Ok(Counted::new(inner, name, Some(len), self.place))
    }

    #[inline]
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
