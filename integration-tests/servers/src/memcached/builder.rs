//! The options of a memcached and its command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{MemcachedServer, PROGRAM};
use crate::address::Address;
use crate::error::or_panic;
use crate::host::Host;
use crate::{Certificates, Error, port};

/// The file of users and passwords, in the server's directory.
pub(super) const USERS: &str = "users";

pub(super) fn write_users(file: &Path, user: &str, password: &str) -> Result<(), Error> {
    fs::write(file, format!("{user}:{password}\n")).map_err(Error::io("writing the users of memcached"))
}

/// How a memcached is to be started; see [`MemcachedServer::builder`].
#[derive(Clone, Debug, Default)]
pub struct MemcachedBuilder {
    unix_socket: bool,
    credentials: Option<(String, String)>,
    arguments: Vec<String>,
    tls: Option<Certificates>,
    asks_for_certificates: bool,
    own_operator_port: bool,
    program: Option<PathBuf>,
}

impl MemcachedBuilder {
    /// Listens on a unix socket only.
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Memory for items in megabytes (`-m`; 64 if not given).
    pub fn memory_mb(self, megabytes: u32) -> Self {
        self.argument("-m").argument(megabytes.to_string())
    }

    /// The largest item in kilobytes, with its key and overhead (`-I`; 1024 if not given).
    pub fn max_item_kb(self, kilobytes: u32) -> Self {
        // Large items are kept in chunks, whose size, 512 KiB by default, has to divide both the largest item and the
        // page of 1 MiB. It is given in bytes, whatever `memcached -h` says.
        let chunk = 1024_u32 << kilobytes.trailing_zeros().min(9);
        self.argument("-I")
            .argument(format!("{kilobytes}k"))
            .argument("-o")
            .argument(format!("slab_chunk_max={chunk}"))
    }

    /// The number of worker threads (`-t`; 4 if not given).
    pub fn threads(self, threads: u32) -> Self {
        self.argument("-t").argument(threads.to_string())
    }

    /// Asks clients for a user and a password, in the way of the text protocol (`-Y`): the first command of a connection
    /// is a `set` of any key whose value is `user password`.
    pub fn auth(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Speaks TLS on the TCP port (`-Z`). Clients need no certificate.
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.tls = Some(certificates.clone());
        self
    }

    /// Speaks TLS as above, and refuses clients that show no certificate of this authority.
    pub fn client_certificates(self, certificates: &Certificates) -> Self {
        Self { asks_for_certificates: true, ..self.tls(certificates) }
    }

    /// Lets [`MemcachedServer::command`] have a port of its own, so that what is counted on the other is the clients'.
    pub fn own_operator_port(mut self) -> Self {
        self.own_operator_port = true;
        self
    }

    /// Adds an argument to the command line as it is: `argument("-M")` for errors instead of evictions.
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Runs this program instead of memcached.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Starts the server and returns when it answers.
    #[track_caller]
    pub fn start(self) -> MemcachedServer {
        or_panic(self.try_start())
    }

    /// Starts the server and returns when it answers, or says why it does not.
    pub fn try_start(self) -> Result<MemcachedServer, Error> {
        if self.unix_socket && self.tls.is_some() {
            return Err(Error::Options("memcached has TLS on TCP only, not on a unix socket"));
        }
        let program = PROGRAM.locate(self.program.clone())?;
        if self.unix_socket {
            self.start_on(program, None)
        } else {
            port::with_free(|port| self.start_on(program.clone(), Some(port)))
        }
    }

    fn start_on(&self, program: PathBuf, port: Option<u16>) -> Result<MemcachedServer, Error> {
        let directory = Host::directory("memcached")?;
        let address =
            port.map_or_else(|| Address::Unix(directory.path().join("memcached.sock")), Address::Tcp);
        let has_own = port.is_some() && (self.tls.is_some() || self.own_operator_port);
        let operator = if has_own { Address::Tcp(port::free()?) } else { address.clone() };
        let arguments = self.command_line(&address, &operator, directory.path())?;
        let credentials = Mutex::new(self.credentials.clone());
        let host = Host::new(program, arguments, directory);
        let server = MemcachedServer { host, address, operator, credentials };
        server.run()?;
        Ok(server)
    }

    fn command_line(
        &self,
        address: &Address,
        operator: &Address,
        directory: &Path,
    ) -> Result<Vec<String>, Error> {
        // As root, memcached insists on being told which user to be; as anybody else it ignores this. Staying the same
        // user also keeps the kernel's promise to end it with this process (`prctl(2)`).
        let mut line = vec!["-u".to_owned(), "root".to_owned()];
        let listen = match address {
            Address::Tcp(_) => ["-l".to_owned(), address.to_string()],
            Address::Unix(path) => ["-s".to_owned(), path.display().to_string()],
        };
        line.extend(listen);
        if let Some(certificates) = &self.tls {
            let mut options = vec![
                format!("ssl_chain_cert={}", certificates.server_certificate().display()),
                format!("ssl_key={}", certificates.server_key().display()),
            ];
            if self.asks_for_certificates {
                options.push(format!("ssl_ca_cert={}", certificates.ca().display()));
                // 2 refuses clients without one: `doc/tls.txt`.
                options.push("ssl_verify_mode=2".to_owned());
            }
            line.extend(["-l".to_owned(), format!("notls:{operator}"), "-Z".to_owned(), "-o".to_owned()]);
            line.push(options.join(","));
        } else if self.own_operator_port && !self.unix_socket {
            line.extend(["-l".to_owned(), operator.to_string()]);
        }
        if let Some((user, password)) = &self.credentials {
            let file = directory.join(USERS);
            write_users(&file, user, password)?;
            line.extend(["-Y".to_owned(), file.display().to_string()]);
        }
        line.extend(self.arguments.iter().cloned());
        Ok(line)
    }
}
