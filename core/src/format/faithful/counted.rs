//! Containers: as many elements as were announced, and no field left out where fields are known by their place.

use serde::{
    Serialize,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{Place, Refusal, Rules};

/// A container that is being written.
pub(super) struct Counted<'w, C, R> {
    inner: C,
    of: &'static str,
    said: Option<usize>,
    given: usize,
    place: Place<'w, R>,
}

impl<'w, C, R: Rules> Counted<'w, C, R> {
    #[inline]
    pub(super) fn new(inner: C, of: &'static str, said: Option<usize>, place: Place<'w, R>) -> Self {
        Self { inner, of, said, given: 0, place: place.inside() }
    }

    /// The same for a `RawValue` right inside a `Some`.
    pub(super) fn of_raw_in_some(mut self) -> Self {
        self.place.in_some_raw = true;
        self
    }

    /// The container, if it is whole. A struct or a tuple is part of the value's shape.
    #[inline]
    fn whole<E: Error>(self, is_fixed: bool) -> Result<C, E> {
        if R::BY_PLACE && is_fixed {
            self.place.seen.shape.note(self.given);
        }
        match self.said {
            Some(said) if R::COUNTED && said != self.given => {
                Err(self.place.refuse(Refusal::Count { of: self.of, said, given: self.given }))
            }
            _ => Ok(self.inner),
        }
    }

    /// That this field is left out.
    #[inline]
    fn left_out<E: Error>(&self, field: &'static str) -> Result<(), E> {
        if R::BY_PLACE {
            return Err(self.place.refuse(Refusal::LeftOut { of: self.of, field }));
        }
        Ok(())
    }
}

macro_rules! elements {
    ($($of:ident::$name:ident, $is_fixed:literal;)*) => {$(
        impl<C: $of, R: Rules> $of for Counted<'_, C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $name<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.given += 1;
                self.inner.$name(&self.place.wrap(value))
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.whole($is_fixed)?.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element, false;
    SerializeTuple::serialize_element, true;
    SerializeTupleStruct::serialize_field, true;
    SerializeTupleVariant::serialize_field, true;
}

macro_rules! fields {
    ($($of:ident;)*) => {$(
        impl<C: $of, R: Rules> $of for Counted<'_, C, R> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.given += 1;
                self.inner.serialize_field(key, &self.place.wrap(value))
            }

            #[inline]
            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.left_out(key)?;
                self.inner.skip_field(key)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.whole(true)?.end()
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<C: SerializeMap, R: Rules> SerializeMap for Counted<'_, C, R> {
    type Ok = C::Ok;
    type Error = C::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.given += 1;
        self.inner.serialize_key(&self.place.wrap(key))
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&self.place.wrap(value))
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        self.given += 1;
        self.inner.serialize_entry(&self.place.wrap(key), &self.place.wrap(value))
    }

    #[inline]
    fn end(self) -> Result<C::Ok, C::Error> {
        self.whole(false)?.end()
    }
}
