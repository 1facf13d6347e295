//! The proxy, from outside: a file for each thing that it promises. They are one program, since each program is linked anew; the
//! tests share nothing.

mod admin;
mod bad_input;
mod caching;
mod common;
mod documentation;
mod flights;
mod http2;
mod limits;
mod operation;
mod page;
mod program;
mod ranges;
mod reload;
mod search;
mod solr;
mod stores;
mod tls;
mod verify;
