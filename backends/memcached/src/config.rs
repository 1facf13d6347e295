//! The settings of a Memcached store and their checks. Nothing here connects.

mod servers;

use std::{path::PathBuf, sync::Arc};

use larder_core::{
    Result,
    settings::{ByteSize, Secret, Span},
};
use larder_net::{
    CredentialsProvider, Endpoint, Limits, Login,
    settings::{
        check_connections, default_connect_timeout, default_connections, default_max_in_flight,
        default_response_timeout, wrong,
    },
    tls::TlsFiles,
};
use serde::{Deserialize, Serialize};

pub use self::servers::ServerConfig;
use crate::{
    address::ServerAddress,
    ring::{Hashing, Member, Ring},
    server::{MemcachedServer, is_user},
};

/// The settings of a Memcached store. Only `servers` is needed.
///
/// ```
/// # use larder_memcached::MemcachedConfig;
/// let mut config = MemcachedConfig::new(["cache-1:11211", "cache-2:11211"]);
/// config.username = Some("shop".to_owned());
/// config.password_file = Some("/run/secrets/memcached".into());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MemcachedConfig {
    /// The servers: a list, or one string, in which commas separate several. Each is `host`, `host:port`,
    /// `memcached://host:port`, `tls://host:port` or `unix:///path`, or a table with `address`, `weight` and `name`. May
    /// also be written as `url`.
    #[serde(alias = "url", deserialize_with = "servers::deserialize")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "servers::schema"))]
    pub servers: Vec<ServerConfig>,
    /// How keys are spread over several servers. All programs that share the servers must say the same.
    #[serde(default)]
    pub hashing: Hashing,
    /// How many connections to each server are used, 1 to 64. One is enough, unless values of megabytes hold
    /// up small ones.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// How long opening a connection may take: looking the name up, connecting, TLS and logging in together.
    /// Calls that come while the first attempt goes on wait for it, at most so long.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// How long a connection that owes replies may be silent before it is given up and a new one is opened.
    /// This bounds every call even without a [`Deadline`](larder_core::layer::Deadline), which should be far
    /// shorter.
    #[serde(default = "default_response_timeout")]
    pub response_timeout: Span,
    /// How many requests may wait for replies on one connection; more are refused with [`Busy`](larder_core::ErrorKind::Busy).
    /// At least 1.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: usize,
    /// The user, for servers that ask (`memcached -Y`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. It is only sent to a server that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds the password, without the line end. It is read again for each connection, so that a
    /// password can change while the program runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The largest entry that is sent, metadata included; a larger one is [`TooLarge`](larder_core::ErrorKind::TooLarge). Default:
    /// what each server says its largest item is (`memcached -I`), less 512 bytes for key and bookkeeping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<ByteSize>,
    /// The certificates, as PEM, of the authorities that may vouch for `tls://` servers, instead of the
    /// system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate, as PEM, that this client shows to a server that asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_file: Option<PathBuf>,
    /// The private key, as PEM, that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<PathBuf>,
}

impl MemcachedConfig {
    /// The default settings with these servers.
    pub fn new(servers: impl IntoIterator<Item = impl Into<ServerConfig>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            hashing: Hashing::default(),
            connections: default_connections(),
            connect_timeout: default_connect_timeout(),
            response_timeout: default_response_timeout(),
            max_in_flight: default_max_in_flight(),
            username: None,
            password: None,
            password_file: None,
            max_value: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
        }
    }

    /// Checks everything that can be checked without the servers, files included.
    pub(crate) fn check(self, provider: Option<Arc<dyn CredentialsProvider>>) -> Result<Checked> {
        let addresses = servers::check(&self.servers)?;
        let ring = self.ring(&addresses)?;
        let login = login(self.username, self.password, self.password_file, provider)?;
        let limits = Limits::check(self.connect_timeout, self.response_timeout, self.max_in_flight)?;
        check_connections(self.connections)?;
        if self.max_value == Some(ByteSize(0)) {
            return Err(wrong("max_value", "must be greater than zero"));
        }
        let max_value = self.max_value.map(ByteSize::get);
        let files = TlsFiles::new(self.ca_file, self.client_certificate_file, self.client_key_file);
        let endpoints = endpoints(&addresses, &files)?;
        let server = |(address, endpoint): (&ServerAddress, Endpoint)| {
            Arc::new(MemcachedServer::new(address.to_string(), endpoint, limits, login.clone(), max_value))
        };
        let servers = addresses.iter().zip(endpoints).map(server).collect();
        Ok(Checked { servers, ring, connections: self.connections, limits })
    }

    fn ring(&self, addresses: &[ServerAddress]) -> Result<Ring> {
        let member = |(server, address): (&ServerConfig, &ServerAddress)| {
            let own = match self.hashing {
                Hashing::Rendezvous => address.identity(),
                Hashing::Ketama => address.ketama_identity(),
            };
            Member { identity: server.name.clone().unwrap_or(own), weight: server.weight }
        };
        let members: Vec<Member> = self.servers.iter().zip(addresses).map(member).collect();
        Ring::new(self.hashing, &members).map_err(|why| wrong("servers", &why))
    }
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) servers: Vec<Arc<MemcachedServer>>,
    pub(crate) ring: Ring,
    pub(crate) connections: usize,
    pub(crate) limits: Limits,
}

/// Who logs in. Memcached knows no password without a user.
fn login(
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    provider: Option<Arc<dyn CredentialsProvider>>,
) -> Result<Option<Login>> {
    match &username {
        Some(username) if !is_user(username) => {
            return Err(wrong("username", "a user name has at least one character and no spaces"));
        }
        None if password.is_some() || password_file.is_some() => {
            return Err(wrong("username", "a password needs a user name"));
        }
        _ => {}
    }
    let login = Login::check(username, password, password_file)?;
    match (login, provider) {
        (Some(_), Some(_)) => {
            Err(wrong("username", "the program provides credentials, too; write them in one place"))
        }
        (login, None) => Ok(login),
        (None, Some(provider)) => Ok(Some(Login::by(provider))),
    }
}

fn endpoints(addresses: &[ServerAddress], files: &TlsFiles) -> Result<Vec<Endpoint>> {
    let plain = |address: &ServerAddress| Endpoint::new(address.at.clone());
    if !addresses.iter().any(|address| address.tls) {
        files.refuse("write the server as \"tls://host:port\"")?;
        return Ok(addresses.iter().map(plain).collect());
    }
    #[cfg(feature = "tls")]
    {
        let tls = larder_net::tls::Tls::new(files)?;
        let endpoint = |address: &ServerAddress| plain(address).with_tls(address.tls.then(|| tls.clone()));
        Ok(addresses.iter().map(endpoint).collect())
    }
    #[cfg(not(feature = "tls"))]
    Err(wrong("servers", "this program was built without the feature `tls` of larder-memcached"))
}

#[cfg(test)]
mod tests {
    use larder_core::ErrorKind;

    use super::*;

    fn read(json: &str) -> MemcachedConfig {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn servers_are_enough() {
        let expected = MemcachedConfig::new(["a:11211", "b:11211"]);
        assert_eq!(read(r#"{"servers": ["a:11211", "b:11211"]}"#), expected);
        assert_eq!(read(r#"{"servers": "a:11211, b:11211"}"#), expected);
        let checked = expected.check(None).unwrap();
        assert_eq!((checked.servers.len(), checked.servers[0].max_value()), (2, None));
    }

    #[test]
    fn a_server_may_have_a_weight_and_a_name() {
        let config = read(
            r#"{"servers": ["a", {"address": "b:7", "weight": 3, "name": "second"}], "hashing": "ketama"}"#,
        );
        assert_eq!(config.servers[0], ServerConfig::new("a"));
        assert_eq!(config.servers[1], ServerConfig::new("b:7").weight(3).name("second"));
        assert_eq!(config.hashing, Hashing::Ketama);
        config.check(None).unwrap();
    }

    #[test]
    fn what_is_wrong_names_the_setting_and_no_secret() {
        for (json, setting) in [
            (r#"{"servers": []}"#, "`servers`"),
            (r#"{"servers": ""}"#, "`servers`"),
            (r#"{"servers": "a,,b"}"#, "`servers`"),
            (r#"{"servers": ["a:0"]}"#, "`servers`"),
            (r#"{"servers": ["a", "a:11211"]}"#, "`servers`"),
            (r#"{"servers": ["a", {"address": "b", "name": "a:11211"}]}"#, "`servers`"),
            (r#"{"servers": [{"address": "a", "weight": 0}]}"#, "`servers`"),
            (
                r#"{"servers": [{"address": "a", "weight": 101}, {"address": "b", "weight": 100}]}"#,
                "`servers`",
            ),
            (r#"{"servers": [{"address": "a", "name": ""}]}"#, "`servers`"),
            (r#"{"servers": "tcp://u:hunter2@a"}"#, "`servers`"),
            (r#"{"servers": "a", "username": "u"}"#, "`username`"),
            (r#"{"servers": "a", "password": "hunter2"}"#, "`username`"),
            (r#"{"servers": "a", "username": "u v", "password": "hunter2"}"#, "`username`"),
            (r#"{"servers": "a", "username": "", "password": "hunter2"}"#, "`username`"),
            (r#"{"servers": "a", "username": "u", "password": ""}"#, "`password`"),
            (r#"{"servers": "a", "username": "u", "password": "hunter2\r\nflush_all"}"#, "`password`"),
            (
                r#"{"servers": "a", "username": "u", "password": "hunter2", "password_file": "x"}"#,
                "`password_file`",
            ),
            (r#"{"servers": "a", "username": "u", "password_file": "/does/not/exist"}"#, "`password_file`"),
            (r#"{"servers": "a", "connect_timeout": "0s"}"#, "`connect_timeout`"),
            (r#"{"servers": "a", "response_timeout": "0s"}"#, "`response_timeout`"),
            (r#"{"servers": "a", "connections": 0}"#, "`connections`"),
            (r#"{"servers": "a", "connections": 65}"#, "`connections`"),
            (r#"{"servers": "a", "max_in_flight": 0}"#, "`max_in_flight`"),
            (r#"{"servers": "a", "max_value": 0}"#, "`max_value`"),
            (r#"{"servers": "a", "ca_file": "x"}"#, "`ca_file`"),
        ] {
            let config = read(json);
            let error = config.clone().check(None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().starts_with(setting), "{json}: {error}");
            let shown = format!("{error} {error:?} {config:?} {}", serde_json::to_string(&config).unwrap());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_could() {
        for (json, hint) in [
            (r#"{"servers": "a", "conections": 1}"#, "`connections`"),
            (r#"{"servers": 7}"#, "host:port"),
            (r#"{"servers": [7]}"#, "host:port"),
            (r#"{"servers": [{"adress": "a"}]}"#, "`address`"),
            (r#"{"servers": "a", "hashing": "modulo"}"#, "`rendezvous`"),
            (r"{}", "`servers`"),
        ] {
            let why = serde_json::from_str::<MemcachedConfig>(json).unwrap_err().to_string();
            assert!(why.contains(hint), "{json}: {why}");
        }
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let mut config = MemcachedConfig::new([ServerConfig::new("a").weight(2), "unix:///m".into()]);
        config.hashing = Hashing::Ketama;
        config.max_value = Some(ByteSize(1 << 21));
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(read(&text), config);
    }
}
