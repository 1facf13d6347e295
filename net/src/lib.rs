//! Connections of Larder's stores on the network: everything that a Redis and a Memcached connection have in common.
//!
//! | module | what it is |
//! |---|---|
//! | [`settings`] | what is configured about connections, and its checks |
//! | [`Address`], [`Endpoint`], [`Dialer`], [`Stream`], [`tls`] | from a name to a stream of bytes |
//! | [`Login`], [`Credentials`], [`CredentialsProvider`] | who we are |
//! | [`Protocol`], [`Collects`], [`Input`], [`Outgoing`] | what a connection has to know of a protocol |
//! | [`Connection`], [`Server`] | requests go in, replies come out |
//! | [`Backoff`], [`Pace`], [`Told`] | how often a lost server is tried again, and what is logged of it |
//!
//! A backend implements [`Server`] and [`Protocol`], and asks its [`Connection`]s. One task owns each socket: what callers ask
//! while it writes leaves together with its next write, replies are given out in order after each was checked against its
//! request, and whatever is in doubt ends the connection, with its cause. The task reopens the connection automatically; while
//! the server cannot be reached, requests fail at once.
//!
//! # What is bounded
//! Lines and bodies before anything is allocated for them; the requests that wait for replies (`max_in_flight`), the bytes
//! that wait to be sent (64 MiB), the time that opening takes (`connect_timeout`), the time that the oldest request goes
//! without a reply (`response_timeout`), attempts to reconnect (five in any second) and lines in the log (one in two seconds); the last two by a store's [`Pace`].
//!
//! # Features
//! `tls` (default): TLS by rustls with `ring`, and the authorities of the system.

#![forbid(unsafe_code)]

mod address;
mod again;
mod backoff;
mod connection;
mod credentials;
mod dial;
mod driver;
mod failure;
#[cfg(fuzzing)]
mod fuzzing;
mod input;
mod line;
mod outbox;
mod outgoing;
mod pace;
mod phase;
mod protocol;
mod server;
pub mod settings;
mod shared;
mod silence;
mod stream;
mod supervisor;
mod talk;
pub mod tls;
mod told;

#[cfg(fuzzing)]
pub use self::fuzzing::events;
pub use self::{
    address::Address,
    again::{Repeat, again},
    backoff::Backoff,
    connection::{Asked, Connection},
    credentials::{Credentials, CredentialsProvider, Login},
    dial::{Dialer, Endpoint},
    failure::{Failure, Fate},
    input::{Input, decimal, on_its_own, shown},
    line::Replies,
    outgoing::{Outgoing, put_digits},
    pace::Pace,
    protocol::{Collects, Event, Protocol},
    server::{Server, Session},
    settings::Limits,
    stream::Stream,
    talk::Talk,
    told::Told,
};
