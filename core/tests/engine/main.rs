//! The engine, from outside: a file for each of its promises. They are one program, since each program is linked anew; the tests
//! share nothing.

mod breaker;
mod breaker_deadline;
mod breaker_shards;
mod budget;
mod bus;
mod chain;
mod common;
mod conditions;
mod debts;
mod failover;
mod fence;
mod freshness;
mod hanging;
mod leases;
mod limits;
mod outside;
mod panics;
mod rings;
mod round_trips;
mod stale_copies;
mod too_large;
mod trace;
mod unreadable;
mod verbs;
mod versions;
