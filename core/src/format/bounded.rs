//! What every format's deserializer is put into: limits on nesting, on values that take no bytes, and on what is
//! reserved before it is seen. Bytes from a store are anybody's, and serde's own formats differ in what they bear:
//! Postcard follows a recursive type until the stack ends, and takes four bytes for 268 million empty values.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::budget::Budget;

/// How deep values may nest: this many containers in one another.
pub(crate) const MAX_DEPTH: u32 = 128;
/// A container's share of the depth; an option or a newtype, which take less of the stack, is one.
const CONTAINER: u32 = 4;
/// Something of serde's with the limits around it.
pub(crate) struct Bounded<'b, D> {
    inner: D,
    depth: u32,
    budget: &'b Budget,
    /// For a visitor: that it is to visit a struct or a tuple.
    is_fixed: bool,
}

impl<'b, D> Bounded<'b, D> {
    pub(crate) fn new(inner: D, budget: &'b Budget) -> Self {
        Self { inner, depth: 0, budget, is_fixed: false }
    }

    fn wrap<U>(&self, inner: U) -> Bounded<'b, U> {
        Bounded { inner, depth: self.depth, budget: self.budget, is_fixed: false }
    }

    /// The same for a visitor of a struct or a tuple.
    fn wrap_fixed<U>(&self, inner: U) -> Bounded<'b, U> {
        Bounded { is_fixed: true, ..self.wrap(inner) }
    }

    fn below<U, E: serde::de::Error>(&self, inner: U, cost: u32) -> Result<Bounded<'b, U>, E> {
        let depth = self.depth + cost;
        if depth > MAX_DEPTH * CONTAINER {
            return Err(self.budget.exceed("nested deeper than 128"));
        }
        Ok(Bounded { inner, depth, budget: self.budget, is_fixed: false })
    }
}

macro_rules! deserialize {
    ($wrap:ident: $($name:ident($($arg:ident: $ty:ty),*);)*) => {$(
        #[inline]
        fn $name<V: Visitor<'de>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.$wrap(visitor);
            self.inner.$name($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    deserialize! { wrap:
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    deserialize! { wrap_fixed:
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($name:ident($ty:ty);)*) => {$(
        #[inline]
        fn $name<E: serde::de::Error>(self, value: $ty) -> Result<V::Value, E> {
            self.inner.$name(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(Vec<u8>);
    }

    #[inline]
    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.below(value, 1)?;
        self.inner.visit_some(value)
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.below(value, 1)?;
        self.inner.visit_newtype_struct(value)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<V::Value, A::Error> {
        let sequence = self.below(sequence, CONTAINER)?;
        if !self.is_fixed {
            return self.inner.visit_seq(sequence);
        }
        let mut fields = Fixed { sequence, read: 0 };
        let value = self.inner.visit_seq(&mut fields)?;
        self.budget.shape().note(fields.read);
        Ok(value)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = self.below(map, CONTAINER)?;
        self.inner.visit_map(map)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, chosen: A) -> Result<V::Value, A::Error> {
        let chosen = self.below(chosen, CONTAINER)?;
        self.inner.visit_enum(chosen)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.wrap(deserializer);
        self.inner.deserialize(deserializer)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.wrap(seed);
        let element = self.inner.next_element_seed(seed)?;
        if element.is_some() {
            self.budget.element()?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.budget.hint(self.inner.size_hint())
    }
}

/// The elements of a struct or a tuple, counted.
struct Fixed<'b, A> {
    sequence: Bounded<'b, A>,
    read: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Fixed<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.sequence.next_element_seed(seed)?;
        self.read += usize::from(element.is_some());
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.sequence.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.wrap(seed);
        let key = self.inner.next_key_seed(seed)?;
        if key.is_some() {
            self.budget.element()?;
        }
        Ok(key)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.next_value_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.budget.hint(self.inner.size_hint())
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'b, A> {
    type Error = A::Error;
    type Variant = Bounded<'b, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let Bounded { inner, depth, budget, is_fixed } = self;
        let (value, variant) = inner.variant_seed(Bounded { inner: seed, depth, budget, is_fixed })?;
        Ok((value, Bounded { inner: variant, depth, budget, is_fixed }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.wrap(seed);
        self.inner.newtype_variant_seed(seed)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.wrap_fixed(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.wrap_fixed(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
