//! Bytes as they are.

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, Visitor, value::SeqDeserializer},
    ser::{self, Impossible, Serializer},
};

use super::{Format, Visit, Visiting, encode_error};
use crate::{error::Result, miss::Undecodable};

/// Bytes and text as they are: for values that are already encoded, such as a rendered page. Takes `Vec<u8>`,
/// `Bytes`, `String` and their like, and refuses everything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Format for Raw {
    fn id(&self) -> u8 {
        0
    }

    fn name(&self) -> &'static str {
        "raw"
    }

    fn media_type(&self) -> &'static str {
        "application/octet-stream"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>> {
        erased_serde::serialize(value, RawSerializer).map_err(|why| encode_error(self.name(), why))
    }

    fn decode(&self, bytes: &[u8], visit: Visit<'_>) -> Result<(), Undecodable> {
        Self::read(bytes, Visiting(visit))
    }
}

impl Raw {
    /// Reads one value that these bytes are, and all of them.
    pub(super) fn read<S: for<'de> DeserializeSeed<'de, Value = T>, T>(
        bytes: &[u8],
        seed: S,
    ) -> Result<T, Undecodable> {
        seed.deserialize(RawDeserializer(bytes)).map_err(Undecodable::format)
    }
}

type SerError = serde::de::value::Error;

fn only_bytes<T>() -> Result<T, SerError> {
    Err(ser::Error::custom("only bytes and text can be; use json, msgpack or postcard for other types"))
}

struct RawSerializer;

macro_rules! refuse {
    ($($name:ident($($arg:ty),*) -> $ok:ty;)*) => {$(
        fn $name(self, $(_: $arg),*) -> Result<$ok, SerError> { only_bytes() }
    )*};
}

impl Serializer for RawSerializer {
    type Ok = Vec<u8>;
    type Error = SerError;
    type SerializeSeq = RawSequence;
    type SerializeTuple = RawSequence;
    type SerializeTupleStruct = Impossible<Vec<u8>, SerError>;
    type SerializeTupleVariant = Impossible<Vec<u8>, SerError>;
    type SerializeMap = Impossible<Vec<u8>, SerError>;
    type SerializeStruct = Impossible<Vec<u8>, SerError>;
    type SerializeStructVariant = Impossible<Vec<u8>, SerError>;

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Vec<u8>, SerError> {
        Ok(bytes.to_vec())
    }

    fn serialize_str(self, text: &str) -> Result<Vec<u8>, SerError> {
        Ok(text.as_bytes().to_vec())
    }

    /// `Vec<u8>` serializes as a sequence of numbers.
    fn serialize_seq(self, len: Option<usize>) -> Result<RawSequence, SerError> {
        Ok(RawSequence(Vec::with_capacity(len.unwrap_or(0))))
    }

    fn serialize_tuple(self, len: usize) -> Result<RawSequence, SerError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_newtype_struct<T: ser::Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, SerError> {
        value.serialize(self)
    }

    fn serialize_some<T: ser::Serialize + ?Sized>(self, _: &T) -> Result<Vec<u8>, SerError> {
        only_bytes()
    }

    fn serialize_newtype_variant<T: ser::Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, SerError> {
        only_bytes()
    }

    refuse! {
        serialize_bool(bool) -> Vec<u8>;
        serialize_i8(i8) -> Vec<u8>;
        serialize_i16(i16) -> Vec<u8>;
        serialize_i32(i32) -> Vec<u8>;
        serialize_i64(i64) -> Vec<u8>;
        serialize_u8(u8) -> Vec<u8>;
        serialize_u16(u16) -> Vec<u8>;
        serialize_u32(u32) -> Vec<u8>;
        serialize_u64(u64) -> Vec<u8>;
        serialize_f32(f32) -> Vec<u8>;
        serialize_f64(f64) -> Vec<u8>;
        serialize_char(char) -> Vec<u8>;
        serialize_none() -> Vec<u8>;
        serialize_unit() -> Vec<u8>;
        serialize_unit_struct(&'static str) -> Vec<u8>;
        serialize_unit_variant(&'static str, u32, &'static str) -> Vec<u8>;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// A sequence all of whose elements are bytes.
struct RawSequence(Vec<u8>);

impl ser::SerializeSeq for RawSequence {
    type Ok = Vec<u8>;
    type Error = SerError;

    fn serialize_element<T: ser::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerError> {
        self.0.push(value.serialize(OneByte)?);
        Ok(())
    }

    fn end(self) -> Result<Vec<u8>, SerError> {
        Ok(self.0)
    }
}

impl ser::SerializeTuple for RawSequence {
    type Ok = Vec<u8>;
    type Error = SerError;

    fn serialize_element<T: ser::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerError> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Vec<u8>, SerError> {
        Ok(self.0)
    }
}

/// Takes a `u8` and nothing else.
struct OneByte;

macro_rules! refuse_byte {
    ($($name:ident($($arg:ty),*) -> $ok:ty;)*) => {$(
        fn $name(self, $(_: $arg),*) -> Result<$ok, SerError> { only_bytes() }
    )*};
}

impl Serializer for OneByte {
    type Ok = u8;
    type Error = SerError;
    type SerializeSeq = Impossible<u8, SerError>;
    type SerializeTuple = Impossible<u8, SerError>;
    type SerializeTupleStruct = Impossible<u8, SerError>;
    type SerializeTupleVariant = Impossible<u8, SerError>;
    type SerializeMap = Impossible<u8, SerError>;
    type SerializeStruct = Impossible<u8, SerError>;
    type SerializeStructVariant = Impossible<u8, SerError>;

    fn serialize_u8(self, byte: u8) -> Result<u8, SerError> {
        Ok(byte)
    }

    fn serialize_some<T: ser::Serialize + ?Sized>(self, _: &T) -> Result<u8, SerError> {
        only_bytes()
    }

    fn serialize_newtype_struct<T: ser::Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<u8, SerError> {
        only_bytes()
    }

    fn serialize_newtype_variant<T: ser::Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u8, SerError> {
        only_bytes()
    }

    refuse_byte! {
        serialize_bool(bool) -> u8;
        serialize_i8(i8) -> u8;
        serialize_i16(i16) -> u8;
        serialize_i32(i32) -> u8;
        serialize_i64(i64) -> u8;
        serialize_u16(u16) -> u8;
        serialize_u32(u32) -> u8;
        serialize_u64(u64) -> u8;
        serialize_f32(f32) -> u8;
        serialize_f64(f64) -> u8;
        serialize_char(char) -> u8;
        serialize_str(&str) -> u8;
        serialize_bytes(&[u8]) -> u8;
        serialize_none() -> u8;
        serialize_unit() -> u8;
        serialize_unit_struct(&'static str) -> u8;
        serialize_unit_variant(&'static str, u32, &'static str) -> u8;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

struct RawDeserializer<'a>(&'a [u8]);

impl<'de> Deserializer<'de> for RawDeserializer<'_> {
    type Error = SerError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerError> {
        visitor.visit_byte_buf(self.0.to_vec())
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerError> {
        let text = String::from_utf8(self.0.to_vec()).map_err(de::Error::custom)?;
        visitor.visit_string(text)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, SerError> {
        visitor.visit_seq(SeqDeserializer::new(self.0.iter().copied()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, SerError> {
        if len != self.0.len() {
            return Err(de::Error::invalid_length(self.0.len(), &visitor));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, SerError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf option unit unit_struct
        tuple_struct map struct enum identifier ignored_any
    }
}
