//! The settings of a Redis store and their checks. Nothing here connects.

use std::{fs::File, io::Read as _, path::PathBuf, time::Duration};

use larder_core::{
    Error, ErrorKind, Result,
    error::Operation,
    settings::{ByteSize, Secret, Span},
};
use serde::{Deserialize, Serialize};

use crate::address::{self, Address};

/// What one connection answers in some 50 ms: whoever waits behind more than this waits for nothing.
const MAX_IN_FLIGHT: usize = 16_384;
/// What Redis takes unless `proto-max-bulk-len` says otherwise.
const MAX_VALUE: u64 = 512 * 1024 * 1024;
/// More connections than this to one server are a mistake: each one added makes it slower.
const MAX_CONNECTIONS: usize = 64;
/// No password is longer; a file that is, was named by mistake.
const MAX_PASSWORD_FILE: u64 = 64 * 1024;

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
    /// [`ErrorKind::Busy`]. At least 1.
    #[serde(default = "default_max_in_flight")]
    pub max_in_flight: usize,
    /// The largest entry that is sent, metadata included; a larger one is [`ErrorKind::TooLarge`]. Lower it to
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

fn default_connect_timeout() -> Span {
    Span(Duration::from_millis(500))
}

fn default_response_timeout() -> Span {
    Span(Duration::from_secs(2))
}

fn default_connections() -> usize {
    1
}

fn default_max_in_flight() -> usize {
    MAX_IN_FLIGHT
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
    pub(crate) fn check(self) -> Result<Settings> {
        let location = address::parse(self.url.expose()).map_err(|why| wrong("url", &why))?;
        let username = one_of("username", location.username, self.username)?;
        let given = one_of("password", location.password, self.password)?;
        let database = one_of("database", location.database, self.database)?.unwrap_or(0);
        let password = match (given, self.password_file) {
            (Some(_), Some(_)) => return Err(wrong("password_file", "the password is given elsewhere, too")),
            (Some(password), None) => Some(Password::Given(password)),
            (None, Some(file)) => Some(Password::In(file)),
            (None, None) => None,
        };
        if username.is_some() && password.is_none() {
            return Err(wrong("username", "a user name needs a password"));
        }
        if let Some(password) = &password {
            password.read()?;
        }

        for (name, span) in
            [("connect_timeout", self.connect_timeout), ("response_timeout", self.response_timeout)]
        {
            if span.get().is_zero() {
                return Err(wrong(name, "zero would give up before beginning"));
            }
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            return Err(wrong(
                "connections",
                &format!("{} is not in 1 to {MAX_CONNECTIONS}", self.connections),
            ));
        }
        if self.max_in_flight == 0 {
            return Err(wrong("max_in_flight", "zero would refuse every call"));
        }

        let is_tls = matches!(location.address, Address::Tcp { tls: true, .. });
        for (name, file) in [
            ("ca_file", &self.ca_file),
            ("client_certificate_file", &self.client_certificate_file),
            ("client_key_file", &self.client_key_file),
        ] {
            if file.is_some() && !is_tls {
                return Err(wrong(name, "there is no TLS; write `url` as \"rediss://…\""));
            }
        }
        #[cfg(feature = "tls")]
        let tls = if is_tls {
            let client = match (&self.client_certificate_file, &self.client_key_file) {
                (Some(certificate), Some(key)) => Some((&**certificate, &**key)),
                (None, None) => None,
                (Some(_), None) => return Err(wrong("client_key_file", "the certificate's key is missing")),
                (None, Some(_)) => {
                    return Err(wrong("client_certificate_file", "the key's certificate is missing"));
                }
            };
            Some(crate::tls::connector(self.ca_file.as_deref(), client)?)
        } else {
            None
        };
        #[cfg(not(feature = "tls"))]
        if is_tls {
            return Err(wrong("url", "this program was built without the feature `tls` of larder-redis"));
        }

        Ok(Settings {
            address: location.address,
            #[cfg(feature = "tls")]
            tls,
            username,
            password,
            database,
            connect_timeout: self.connect_timeout.get(),
            response_timeout: self.response_timeout.get(),
            connections: self.connections,
            max_in_flight: self.max_in_flight,
            max_value: self.max_value.get(),
        })
    }
}

/// Settings that have been checked.
pub(crate) struct Settings {
    pub(crate) address: Address,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsConnector>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Password>,
    pub(crate) database: u32,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_value: u64,
}

/// Where the password comes from.
#[derive(Debug, Clone)]
pub(crate) enum Password {
    Given(Secret),
    In(PathBuf),
}

impl Password {
    /// The password, read from its file if it is in one. Blocks for as long as the disk does.
    pub(crate) fn read(&self) -> Result<Secret> {
        let file = match self {
            Self::Given(password) => return Ok(password.clone()),
            Self::In(file) => file,
        };
        let mut text = String::new();
        File::open(file)
            .and_then(|opened| opened.take(MAX_PASSWORD_FILE).read_to_string(&mut text))
            .map_err(|why| wrong("password_file", &format!("{}: {why}", file.display())))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(wrong("password_file", &format!("{} is empty", file.display())));
        }
        Ok(Secret::new(password))
    }
}

/// The error of a setting: its name, and what is wrong with it. Never its value if that may be a secret.
pub(crate) fn wrong(setting: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, Operation::Build, format!("`{setting}`: {why}"))
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
    use super::*;

    fn read(json: &str) -> RedisConfig {
        serde_json::from_str(json).unwrap()
    }

    fn refusal(json: &str) -> String {
        let error = read(json).check().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        error.message().to_owned()
    }

    #[test]
    fn a_url_is_enough() {
        assert_eq!(read(r#"{"url": "redis://db"}"#), RedisConfig::new("redis://db"));
        let settings = RedisConfig::new("redis://db").check().unwrap();
        assert_eq!(settings.address.to_string(), "redis://db:6379");
        assert_eq!(settings.database, 0);
        assert!(settings.password.is_none());
    }

    #[test]
    fn settings_of_their_own_complete_the_url() {
        let settings = read(
            r#"{"url": "redis://u@db/3", "password": "hunter2", "database": 3, "connect_timeout": "1s"}"#,
        );
        let settings = settings.check().unwrap();
        assert_eq!(settings.username.as_deref(), Some("u"));
        assert_eq!(settings.password.unwrap().read().unwrap().expose(), "hunter2");
        assert_eq!((settings.database, settings.connect_timeout), (3, Duration::from_secs(1)));
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

    #[test]
    fn a_password_file_is_read_without_its_line_end_and_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let password = Password::In(file.path().to_owned());
        std::fs::write(file.path(), "one two\n").unwrap();
        assert_eq!(password.read().unwrap().expose(), "one two");
        std::fs::write(file.path(), "three\r\n").unwrap();
        assert_eq!(password.read().unwrap().expose(), "three");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(password.read().unwrap_err().message().contains("empty"));
    }
}
