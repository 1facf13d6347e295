//! Where a server is: what is written in a configuration, taken apart and checked.

use std::fmt;

use larder_core::settings::redact_url;
use larder_net::Address;

/// Memcached's own port.
const DEFAULT_PORT: u16 = 11211;

/// Where a server listens, and whether it is spoken to through TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    pub(crate) at: Address,
    pub(crate) tls: bool,
}

impl ServerAddress {
    /// Reads `host`, `host:port`, `memcached://host:port` (or `tcp://`), `tls://host:port` or `unix:///path`; an
    /// IPv6 address stands in brackets.
    ///
    /// # Errors
    /// What is wrong, without anything that may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let shown = || format!("\"{}\"", redact_url(text));
        if text.contains('@') {
            return Err(format!("{} holds credentials; write them as `username` and `password`", shown()));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let tls = match scheme {
            "tcp" | "memcached" => false,
            "tls" => true,
            "unix" if rest.starts_with('/') && rest.len() > 1 => {
                return Ok(Self { at: Address::Unix(rest.into()), tls: false });
            }
            "unix" => {
                return Err(format!("{} has no absolute path, as unix:///run/memcached.sock has", shown()));
            }
            _ => return Err(format!("{} is none of host:port, tls://host:port and unix:///path", shown())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (host, after) =
                bracketed.split_once(']').ok_or_else(|| format!("{} has no closing bracket", shown()))?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("{} has no IPv6 address in its brackets", shown()));
            }
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
        } else {
            match rest.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(format!("{} is an IPv6 address without brackets: [::1]:11211", shown()));
                }
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            }
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte) || !byte.is_ascii();
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(format!("{} has no host", shown()));
        }
        let has_colon = rest.ends_with(':');
        let port = match port {
            Some("") if !has_colon => DEFAULT_PORT,
            Some(port) => match port.parse::<u16>() {
                // `parse` takes a plus sign.
                Ok(number) if number != 0 && !port.starts_with('+') => number,
                _ => return Err(format!("{} has no port between 1 and 65535", shown())),
            },
            None => return Err(format!("{} has something other than a port after its bracket", shown())),
        };
        Ok(Self { at: Address::tcp(host, port), tls })
    }

    /// What the server is called on the ring unless it was given a name: where it is, however it is spoken to.
    pub(crate) fn identity(&self) -> String {
        match &self.at {
            Address::Unix(path) => path.display().to_string(),
            at => at.to_string(),
        }
    }

    /// What libmemcached calls the server on its ring: without the port if that is Memcached's own, and with
    /// the port 0 for a socket.
    pub(crate) fn ketama_identity(&self) -> String {
        match &self.at {
            Address::Tcp { host, port: DEFAULT_PORT } => host.clone(),
            Address::Tcp { host, port } => format!("{host}:{port}"),
            Address::Unix(path) => format!("{}:0", path.display()),
            // A kind that is newer than this: what it is called there.
            at => at.to_string(),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tls {
            f.write_str("tls://")?;
        }
        self.at.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, shown) in [
            ("cache", "cache:11211"),
            ("cache:7", "cache:7"),
            ("tcp://10.0.0.1:7/", "10.0.0.1:7"),
            ("tls://cache.internal", "tls://cache.internal:11211"),
            ("[::1]", "[::1]:11211"),
            ("tls://[fe80::1]:7", "tls://[fe80::1]:7"),
            ("unix:///run/m.sock", "unix:///run/m.sock"),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(ServerAddress::parse(shown).unwrap(), address);
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, hint) in [
            ("", "no host"),
            ("tcp://", "no host"),
            (":11211", "no host"),
            ("a b:1", "no host"),
            ("a/b:1", "no host"),
            ("cache:", "port"),
            ("cache:0", "port"),
            ("cache:65536", "port"),
            ("cache:+7", "port"),
            ("cache:x", "port"),
            ("::1", "brackets"),
            ("[::1", "bracket"),
            ("[cache]:1", "IPv6"),
            ("[::1]7", "bracket"),
            ("http://cache", "unix:///path"),
            ("unix://run/m.sock", "absolute"),
            ("unix:///", "absolute"),
            ("tcp://u:hunter2@cache:1", "`password`"),
            ("u:hunter2@cache", "`password`"),
        ] {
            let why = ServerAddress::parse(text).unwrap_err();
            assert!(why.contains(hint), "{text}: {why}");
            assert!(!why.contains("hunter2"), "{text}: {why}");
        }
    }

    #[test]
    fn a_ring_knows_a_server_by_where_it_is_however_it_is_spoken_to() {
        for (text, identity, ketama) in [
            ("cache", "cache:11211", "cache"),
            ("tls://cache:7", "cache:7", "cache:7"),
            ("[::1]", "[::1]:11211", "::1"),
            ("unix:///m", "/m", "/m:0"),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!((&*address.identity(), &*address.ketama_identity()), (identity, ketama));
        }
    }
}
