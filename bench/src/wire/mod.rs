//! Clients made by hand: what one pipelined connection to a server can reach at best.
//!
//! They are the limit that the rows compare with, and do only what a benchmark needs: one connection, one task that owns
//! the socket, no timeouts, no reconnecting. An answer that was not expected ends the connection, and whoever waits
//! receives an error.

mod connection;
mod memcached;
mod redis;

pub(crate) use self::{memcached::MemcachedClient, redis::RedisClient};

/// Appends a number in decimal digits, without what formatting costs.
fn put_number(out: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let (mut left, mut at) = (number, digits.len());
    loop {
        at -= 1;
        // A remainder by ten is a digit.
        #[allow(clippy::cast_possible_truncation)]
        let digit = (left % 10) as u8;
        digits[at] = b'0' + digit;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
