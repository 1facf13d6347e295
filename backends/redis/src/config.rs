//! The settings of a Redis store and their checks. Nothing here connects.

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

use crate::{address, eviction::Noticed, server::RedisServer};

/// What Redis takes unless `proto-max-bulk-len` says otherwise.
const MAX_VALUE: u64 = 512 * 1024 * 1024;
/// The settings of a Redis store. Only `url` is needed.
///
/// ```
/// # use larder_redis::RedisConfig;
/// let mut config = RedisConfig::new("rediss://cache.internal");
/// config.username = Some("shop".to_owned());
/// config.password_file = Some("/run/secrets/redis".into());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RedisConfig {
    /// Where the server is: `redis://[user[:password]@]host[:port][/database]`, `rediss://…` for TLS, or
    /// `unix:///path[?db=0&user=…&pass=…]`; `valkey://` and `valkeys://` are the same.
    pub url: Secret,
    /// The user, since Redis 6. Default: the one in `url`, else the server's default user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password. Default: the one in `url`, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds the password, without the line end. It is read again for each connection, so that a
    /// password can change while the program runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The number of the database. Default: the one in `url`, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<u32>,
    /// How long opening a connection may take: looking the name up, connecting, TLS and logging in together.
    /// Calls that come while the first attempt goes on wait for it, at most so long.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// How long a connection that owes replies may be silent before it is given up and a new one is opened.
    /// This bounds every call even without a [`Deadline`](larder_core::layer::Deadline), which should be far
    /// shorter.
    #[serde(default = "default_response_timeout")]
    pub response_timeout: Span,
    /// How many connections are used, 1 to 64. More than one is slower, unless values of megabytes hold up
    /// small ones.
    #[serde(default = "default_connections")]
    pub connections: usize,
    /// How many calls may wait for replies on one connection; more are refused with
    /// [`Busy`](larder_core::ErrorKind::Busy). At least 1.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: usize,
    /// The largest entry that is sent, metadata included; a larger one is [`TooLarge`](larder_core::ErrorKind::TooLarge). Lower it to
    /// the server's `proto-max-bulk-len` if that is lower, since the server hangs up on what it does not take.
    #[serde(default = "default_max_value")]
    pub max_value: ByteSize,
    /// The certificates, as PEM, of the authorities that may vouch for the server, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate, as PEM, that this client shows to a server that asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_file: Option<PathBuf>,
    /// The private key, as PEM, that belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key_file: Option<PathBuf>,
}

fn default_max_value() -> ByteSize {
    ByteSize(MAX_VALUE)
}

impl RedisConfig {
    /// The default settings with this server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            username: None,
            password: None,
            password_file: None,
            database: None,
            connect_timeout: default_connect_timeout(),
            response_timeout: default_response_timeout(),
            connections: default_connections(),
            max_in_flight: default_max_in_flight(),
            max_value: default_max_value(),
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
        }
    }

    /// Checks everything that can be checked without the server, files included.
    pub(crate) fn check(self, provider: Option<Arc<dyn CredentialsProvider>>) -> Result<Settings> {
        let location = address::parse(self.url.expose()).map_err(|why| wrong("url", &why))?;
        let name = location.to_string();
        let username = one_of("username", location.username, self.username)?;
        let password = one_of("password", location.password, self.password)?;
        let database = one_of("database", location.database, self.database)?.unwrap_or(0);
        let mut login = Login::check(username, password, self.password_file)?;
        if let Some(provider) = provider {
            if login.is_some() {
                return Err(wrong("password", "the program provides credentials; remove it here"));
            }
            login = Some(Login::by(provider));
        }
        let limits = Limits::check(self.connect_timeout, self.response_timeout, self.max_in_flight)?;
        check_connections(self.connections)?;
        let files = TlsFiles::new(self.ca_file, self.client_certificate_file, self.client_key_file);
        let endpoint = Endpoint::new(location.address);
        #[cfg(feature = "tls")]
        let endpoint =
            if location.tls { endpoint.with_tls(Some(larder_net::tls::Tls::new(&files)?)) } else { endpoint };
        if !location.tls {
            files.refuse("write `url` as \"rediss://…\"")?;
        }
        #[cfg(not(feature = "tls"))]
        if location.tls {
            return Err(wrong("url", "this program was built without the feature `tls` of larder-redis"));
        }
        let max_value = self.max_value.get();
        // What others have written may be larger than what this side writes, but not than the server takes.
        let max_reply = max_value.max(MAX_VALUE);
        let server =
            RedisServer { endpoint, name, limits, login, database, max_reply, noticed: Noticed::default() };
        Ok(Settings { server, connections: self.connections, max_value })
    }
}

/// Settings that have been checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: RedisServer,
    pub(crate) connections: usize,
    pub(crate) max_value: u64,
}

/// What the URL says, or what its own setting says.
fn one_of<T: PartialEq>(setting: &str, in_url: Option<T>, given: Option<T>) -> Result<Option<T>> {
    match (in_url, given) {
        (Some(in_url), Some(given)) if in_url != given => {
            Err(wrong(setting, "`url` says something else; write it in one place"))
        }
        (in_url, given) => Ok(given.or(in_url)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use larder_core::ErrorKind;

    use super::*;

    fn read(json: &str) -> RedisConfig {
        serde_json::from_str(json).unwrap()
    }

    fn refusal(json: &str) -> String {
        let error = read(json).check(None).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        error.message().to_owned()
    }

    #[test]
    fn a_url_is_enough() {
        assert_eq!(read(r#"{"url": "redis://db"}"#), RedisConfig::new("redis://db"));
        let server = RedisConfig::new("redis://db").check(None).unwrap().server;
        assert_eq!(server.name, "redis://db:6379");
        assert_eq!(server.database, 0);
        assert!(server.login.is_none());
    }

    #[tokio::test]
    async fn settings_of_their_own_complete_the_url() {
        let settings = read(
            r#"{"url": "redis://u@db/3", "password": "hunter2", "database": 3, "connect_timeout": "1s"}"#,
        );
        let server = settings.check(None).unwrap().server;
        let credentials = server.login.unwrap().credentials().await.unwrap();
        assert_eq!(credentials.username.as_deref(), Some("u"));
        assert_eq!(credentials.password.expose(), "hunter2");
        assert_eq!((server.database, server.limits.connect_timeout), (3, Duration::from_secs(1)));
    }

    #[test]
    fn what_is_wrong_names_the_setting_and_no_secret() {
        for (json, setting) in [
            (r#"{"url": "redis://:hunter2@"}"#, "`url`"),
            (r#"{"url": "redis://:hunter2@db", "password": "other"}"#, "`password`"),
            (r#"{"url": "redis://db", "password": "hunter2", "password_file": "x"}"#, "`password_file`"),
            (r#"{"url": "redis://db", "password_file": "/does/not/exist"}"#, "`password_file`"),
            (r#"{"url": "redis://db", "username": "u"}"#, "`username`"),
            (r#"{"url": "redis://db/1", "database": 2}"#, "`database`"),
            (r#"{"url": "redis://db", "connect_timeout": "0s"}"#, "`connect_timeout`"),
            (r#"{"url": "redis://db", "response_timeout": "0s"}"#, "`response_timeout`"),
            (r#"{"url": "redis://db", "connections": 0}"#, "`connections`"),
            (r#"{"url": "redis://db", "connections": 65}"#, "`connections`"),
            (r#"{"url": "redis://db", "max_in_flight": 0}"#, "`max_in_flight`"),
            (r#"{"url": "redis://db", "ca_file": "x"}"#, "`ca_file`"),
        ] {
            let why = refusal(json);
            assert!(why.starts_with(setting), "{json}: {why}");
        }
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        let why = serde_json::from_str::<RedisConfig>(r#"{"url": "redis://db", "databse": 1}"#).unwrap_err();
        assert!(why.to_string().contains("`databse`"), "{why}");
    }

    #[test]
    fn a_configuration_shows_no_secret() {
        let mut config = RedisConfig::new("redis://u:hunter2@db");
        config.password = Some(Secret::new("hunter2"));
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
