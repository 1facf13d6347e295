//! Clients made by hand: what one pipelined connection to a server can reach at best.
//!
//! They are the limit that the rows compare with, and do only what a benchmark needs: one connection, one task that owns
//! the socket, no timeouts, no reconnecting. An unexpected answer ends the connection, and waiting callers receive
//! an error.

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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use larder_test_servers::{MemcachedServer, RedisServer};

    use super::{MemcachedClient, RedisClient};

    const TTL: Duration = Duration::from_secs(60);

    /// Key and value of a number; the values are of many lengths, some larger than a read.
    fn pair(number: usize) -> (String, Vec<u8>) {
        (format!("key:{number}"), vec![b'a' + (number % 26) as u8; number * number * 10])
    }

    /// Both clients have the same calls.
    macro_rules! every_caller_gets_its_own_value {
        ($client:expr, $stop:expr) => {
            let client = Arc::new($client);
            client.set_many(&(0..50).map(pair).collect::<Vec<_>>(), TTL).await.unwrap();
            let (key, value) = pair(100);
            client.set(key.as_bytes(), &value, TTL).await.unwrap();
            assert_eq!(client.get(key.as_bytes()).await.unwrap().unwrap(), value);
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..64 {
                let client = Arc::clone(&client);
                tasks.spawn(async move {
                    for number in (0..50).map(|step| (task * 7 + step) % 60) {
                        let (key, value) = pair(number);
                        let expected = (number < 50).then_some(Bytes::from(value));
                        assert_eq!(client.get(key.as_bytes()).await.unwrap(), expected, "{key}");
                    }
                    let keys: Vec<String> = (45..55).map(|number| pair(number).0).collect();
                    let got = client.get_many(&keys).await.unwrap();
                    let expected = (45..55).map(|number| (number < 50).then(|| Bytes::from(pair(number).1)));
                    assert_eq!(got, expected.collect::<Vec<_>>());
                });
            }
            tasks.join_all().await;
            $stop;
            client.get(b"key:1").await.unwrap_err();
            client.get(b"key:1").await.unwrap_err();
        };
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn redis_answers_each_caller_until_it_is_stopped() {
        for collects in [false, true] {
            let server = RedisServer::start();
            let client = RedisClient::connect(server.address(), collects).await.unwrap();
            every_caller_gets_its_own_value!(client, server.stop());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memcached_answers_each_caller_until_it_is_stopped() {
        for collects in [false, true] {
            let server = MemcachedServer::start();
            let client = MemcachedClient::connect(server.address(), collects).await.unwrap();
            every_caller_gets_its_own_value!(client, server.stop());
        }
    }
}
