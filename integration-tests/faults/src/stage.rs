//! What a fault has to work with: the servers of one trial, the proxies before them, and what it has to remember.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use larder_test_servers::{Fault as Break, Proxy};
use tempfile::TempDir;

use crate::{
    Outcome,
    fault::{Fault, Through},
    server::Server,
    store::{Client, PASSWORD, Store},
};

/// The servers of one trial. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) servers: Vec<Arc<Server>>,
    /// One for each server, or none.
    pub(crate) proxies: Vec<Proxy>,
    /// How long calls are made for.
    pub(crate) window: Duration,
    has_password: bool,
    begun: Mutex<Option<Instant>>,
    turns: AtomicU32,
    crowd: Mutex<Vec<TcpStream>>,
    helpers: Mutex<Vec<JoinHandle<()>>>,
    victim: OnceLock<usize>,
    folder: TempDir,
}

impl Stage {
    pub(crate) fn set(store: &Store, fault: &Fault, window: Duration) -> Outcome<Self> {
        let servers: Vec<_> = (store.start)(fault.wants)?.into_iter().map(Arc::new).collect();
        let is_proxied = match fault.through {
            Through::Nothing => false,
            Through::Proxy => true,
            Through::ProxyIfNeeded => {
                !matches!(servers.first().map(|server| &**server), Some(Server::Redis(_)))
            }
        };
        let mut proxies = Vec::new();
        for server in servers.iter().filter(|_| is_proxied) {
            proxies.push(Proxy::try_start(store.protocol, server.port()?)?);
        }
        let stage = Self {
            servers,
            proxies,
            window,
            has_password: fault.wants.password,
            begun: Mutex::default(),
            turns: AtomicU32::new(0),
            crowd: Mutex::default(),
            helpers: Mutex::default(),
            victim: OnceLock::new(),
            folder: tempfile::Builder::new().prefix("larder-faults-").tempdir()?,
        };
        stage.tell_password(PASSWORD)?;
        Ok(stage)
    }

    /// The one that is tried where one of several is: one on which more depends than its own keys, if there is one.
    pub(crate) fn victim(&self) -> Outcome<&Server> {
        let chosen = if let Some(chosen) = self.victim.get() {
            *chosen
        } else {
            let has: Vec<bool> =
                self.servers.iter().map(|server| server.has_versions()).collect::<Outcome<_>>()?;
            *self.victim.get_or_init(|| has.iter().position(|has| *has).unwrap_or(0))
        };
        Ok(self.servers.get(chosen).ok_or("there are no servers")?)
    }

    /// Does this to every server.
    #[allow(clippy::unnecessary_wraps, reason = "a step of a fault: others fail")]
    pub(crate) fn each(&self, act: fn(&Server)) -> Outcome {
        self.servers.iter().for_each(|server| act(server));
        Ok(())
    }

    /// Tells every Redis this.
    #[allow(clippy::unnecessary_wraps, reason = "as above")]
    pub(crate) fn tell(&self, words: &[&str]) -> Outcome {
        self.servers.iter().for_each(|server| server.redis(words));
        Ok(())
    }

    /// Lets this happen on every connection.
    #[allow(clippy::unnecessary_wraps, reason = "as above")]
    pub(crate) fn break_all(&self, fault: Break) -> Outcome {
        self.proxies.iter().for_each(|proxy| proxy.set(fault));
        Ok(())
    }

    /// Ends it.
    #[allow(clippy::unnecessary_wraps, reason = "as above")]
    pub(crate) fn heal_all(&self) -> Outcome {
        self.proxies.iter().for_each(Proxy::heal);
        Ok(())
    }

    /// The ports that a client connects to.
    pub(crate) fn ports(&self) -> Outcome<Vec<u16>> {
        if self.proxies.is_empty() {
            self.servers.iter().map(|server| server.port()).collect()
        } else {
            Ok(self.proxies.iter().map(Proxy::port).collect())
        }
    }

    /// What a worker opens.
    pub(crate) fn client(&self) -> Outcome<Client> {
        let addresses = self.ports()?.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        Ok(Client { addresses, password_file: self.has_password.then(|| self.password_file()) })
    }

    /// Gives the client a password, whether it is right or not.
    pub(crate) fn tell_password(&self, password: &str) -> Outcome {
        Ok(fs::write(self.password_file(), password)?)
    }

    fn password_file(&self) -> PathBuf {
        Path::new(self.folder.path()).join("password")
    }

    /// Remembers when the fault began.
    pub(crate) fn begin(&self) {
        *lock(&self.begun) = Some(Instant::now());
    }

    /// How long the fault has been there.
    pub(crate) fn elapsed(&self) -> Duration {
        lock(&self.begun).map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    /// How often this was asked before.
    pub(crate) fn turn(&self) -> u32 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// Connections that are kept until [`disperse`](Self::disperse).
    pub(crate) fn gather(&self, crowd: Vec<TcpStream>) {
        lock(&self.crowd).extend(crowd);
    }

    pub(crate) fn disperse(&self) {
        lock(&self.crowd).clear();
    }

    /// Does something that takes long to every server, in the background.
    pub(crate) fn in_background(&self, work: fn(&Server)) {
        for server in &self.servers {
            let server = Arc::clone(server);
            lock(&self.helpers).push(thread::spawn(move || work(&server)));
        }
    }

    /// Waits for what is done in the background.
    pub(crate) fn join(&self) -> Outcome {
        let helpers = std::mem::take(&mut *lock(&self.helpers));
        for helper in helpers {
            helper.join().map_err(|_| "what was done in the background has failed")?;
        }
        Ok(())
    }
}

/// None of the locks here guards anything that a panic could leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
