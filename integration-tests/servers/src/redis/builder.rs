//! The options of a redis-server, its configuration file and its URL.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::{OPERATOR, PROGRAM, RedisServer};
use crate::address::Address;
use crate::error::or_panic;
use crate::host::Host;
use crate::{Certificates, Error, port};

/// How a redis-server is to be started; see [`RedisServer::builder`].
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    unix_socket: bool,
    password: Option<String>,
    lines: Vec<String>,
    tls: Option<Certificates>,
    program: Option<PathBuf>,
}

impl RedisBuilder {
    /// Listens on a unix socket only.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Asks clients for a password (`requirepass`).
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Adds a user with rules in Redis's own words: `acl_user("reader", "on >secret ~app:* +get")`.
    pub fn acl_user(mut self, name: &str, rules: &str) -> Self {
        self.lines.push(format!("user {name} {rules}"));
        self
    }

    /// Adds a line of redis.conf: `config("maxmemory", "2mb")`. A later line overrides an earlier one and whatever this
    /// crate has written. A value with spaces in it has to be quoted if it is one argument.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name} {value}"));
        self
    }

    /// Speaks TLS on the TCP port and nothing else. Clients need no certificate unless
    /// [`client_certificates`](Self::client_certificates) says so.
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some(certificates.clone());
        self
    }

    /// Speaks TLS as above, and refuses clients that show no certificate of this authority.
    pub fn client_certificates(self, certificates: &Certificates) -> Self {
        self.tls(certificates).config("tls-auth-clients", "yes")
    }

    /// Runs this program instead of redis-server.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Starts the server and returns when it answers.
    #[track_caller]
    pub fn start(self) -> RedisServer {
        or_panic(self.try_start())
    }

    /// Starts the server and returns when it answers, or says why it does not.
    pub fn try_start(self) -> Result<RedisServer, Error> {
        if self.unix_socket && self.tls.is_some() {
            return Err(Error::Options("redis-server has TLS on TCP only, not on a unix socket"));
        }
        let program = PROGRAM.locate(self.program.clone())?;
        if self.unix_socket {
            self.start_on(program, None)
        } else {
            port::with_free(|port| self.start_on(program.clone(), Some(port)))
        }
    }

    fn start_on(&self, program: PathBuf, port: Option<u16>) -> Result<RedisServer, Error> {
        let directory = Host::directory("redis")?;
        let socket = directory.path().join("redis.sock");
        let file = directory.path().join("redis.conf");
        fs::write(&file, self.file(&socket, port)).map_err(Error::io("writing redis.conf"))?;

        let operator = Address::Unix(socket);
        let address = port.map_or_else(|| operator.clone(), Address::Tcp);
        let url = self.url(&address);
        let host = Host::new(program, vec![file.display().to_string()], directory);
        let server = RedisServer { host, address, operator, url };
        server.run()?;
        Ok(server)
    }

    fn file(&self, socket: &Path, port: Option<u16>) -> String {
        let (plain, tls) = if self.tls.is_some() { (None, port) } else { (port, None) };
        let mut text = format!(
            "bind 127.0.0.1\nport {}\nunixsocket {}\nsave \"\"\nappendonly no\n",
            plain.unwrap_or(0),
            quoted(&socket.to_string_lossy()),
        );
        // `write!` to a `String` cannot fail.
        if let (Some(port), Some(certificates)) = (tls, &self.tls) {
            let _ = writeln!(text, "tls-port {port}\ntls-auth-clients no");
            for (name, path) in [
                ("tls-cert-file", certificates.server_certificate()),
                ("tls-key-file", certificates.server_key()),
                ("tls-ca-cert-file", certificates.ca()),
            ] {
                let _ = writeln!(text, "{name} {}", quoted(&path.to_string_lossy()));
            }
        }
        if let Some(password) = &self.password {
            let _ = writeln!(text, "requirepass {}", quoted(password));
        }
        let _ = writeln!(text, "user {OPERATOR} on nopass ~* &* +@all");
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    fn url(&self, address: &Address) -> String {
        let password = self.password.as_deref().map(percent_encoded);
        match address {
            Address::Unix(path) => {
                let query = password.map(|password| format!("?pass={password}")).unwrap_or_default();
                format!("redis+unix://{}{query}", path.display())
            }
            Address::Tcp(_) => {
                let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
                let user = password.map(|password| format!(":{password}@")).unwrap_or_default();
                format!("{scheme}://{user}{address}")
            }
        }
    }
}

/// An argument as redis.conf wants it when it holds spaces, quotes or anything else.
fn quoted(argument: &str) -> String {
    let mut text = String::from('"');
    for byte in argument.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                // `write!` to a `String` cannot fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

/// Escapes all but the characters that RFC 3986 calls unreserved.
fn percent_encoded(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // `write!` to a `String` cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_survive_the_file_and_the_url() {
        assert_eq!(quoted(r#"a "b" \ ü"#), r#""a \"b\" \\ \xc3\xbc""#);
        let builder = RedisBuilder::default().password("p@ss:w/ord");
        assert_eq!(builder.url(&Address::Tcp(1)), "redis://:p%40ss%3Aw%2Ford@127.0.0.1:1");
        assert_eq!(builder.url(&Address::Unix("/s".into())), "redis+unix:///s?pass=p%40ss%3Aw%2Ford");
    }
}
