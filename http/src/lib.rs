#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod caching;
pub mod canonical;
mod datemath;
mod json;
mod percent;
mod query;
pub mod request;
pub mod search;
pub mod solr;
