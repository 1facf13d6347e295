//! The proxies, each a process of its own with a folder of its own, which ends with its handle.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Outcome, Server};

/// The variable that names our own program; `cargo xtask bench` builds it.
const VARIABLE: &str = "LARDER_PROXY";
/// How long a program may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs.
pub(crate) struct Program {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Program {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What its processes use.
    pub(super) fn server(&self) -> Server {
        Server::with_children(self.child.id())
    }

    fn start(name: &str, command: impl FnOnce(&Path, u16) -> Outcome<Command>) -> Outcome<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("larder-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let wanted = command(&folder, port)?;
        // The kernel ends it where this process ends without doing so.
        let mut started = Command::new("setpriv");
        started.args(["--pdeathsig", "KILL"]).arg(wanted.get_program()).args(wanted.get_args());
        started.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(folder.join("log"))?);
        let mut program = Self { child: started.spawn()?, port, folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = program.child.try_wait()? {
                return Err(format!("{name} has ended: {status}: {}", program.log()).into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{name} does not listen: {}", program.log()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(program)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A signal that can be followed: a master ends its workers.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(3) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ours, as it is: pages by RFC 9111, everything else a search engine.
pub(super) fn larder(origin: u16) -> Outcome<Program> {
    let program = std::env::var(VARIABLE).map_err(|_| format!("{VARIABLE} names no program"))?;
    Program::start("larder-proxy", |folder, port| {
        let file = folder.join("larder.toml");
        let text = format!(
            "[proxy]\nlisten = \"127.0.0.1:{port}\"\n\
             [upstreams.origin]\naddresses = [\"http://127.0.0.1:{origin}\"]\n\
             [routes.pages]\npath = \"/static\"\nupstream = \"origin\"\nmode = \"http\"\ncache = \"pages\"\n\
             [routes.searches]\nupstream = \"origin\"\nmode = \"search-elasticsearch\"\ncache = \"searches\"\n\
             [routes.searches.search]\nttl = \"1h\"\n\
             [stores.main]\nbackend = \"quick-cache\"\nmax_bytes = \"256 MiB\"\n\
             [caches.pages]\n[caches.searches]\n"
        );
        fs::write(&file, text)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(file);
        Ok(command)
    })
}

/// nginx with two workers, as many as there are processors.
pub(super) fn nginx(origin: u16) -> Outcome<Program> {
    Program::start("nginx", |folder, port| {
        let file = folder.join("nginx.conf");
        let at = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .collect();
        let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let text = format!(
            "{user}daemon off;\nworker_processes 2;\npid {at}/pid;\nerror_log {at}/log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\naccess_log off;\n{temporary}\
             keepalive_requests 1000000000;\nclient_body_buffer_size 64k;\ntcp_nodelay on;\nsendfile on;\n\
             open_file_cache max=10000 inactive=1h;\n\
             proxy_cache_path {at}/cache levels=1:2 keys_zone=bench:32m max_size=1g inactive=1h use_temp_path=off;\n\
             server {{\nlisten 127.0.0.1:{port} backlog=4096;\nlocation / {{\nproxy_pass http://127.0.0.1:{origin};\n\
             proxy_cache bench;\nproxy_cache_methods GET HEAD POST;\nproxy_cache_valid 200 1h;\nproxy_cache_lock on;\n\
             proxy_cache_key \"$request_method$request_uri|$request_body\";\n}}\n}}\n}}\n"
        );
        fs::write(&file, text)?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(file);
        Ok(command)
    })
}

/// Varnish with its cache in memory; the body is hashed by a module of its collection.
pub(super) fn varnish(origin: u16) -> Outcome<Program> {
    Program::start("varnish", |folder, port| {
        let file = folder.join("bench.vcl");
        let text = format!(
            "vcl 4.1;\nimport std;\nimport bodyaccess;\n\
             backend default {{ .host = \"127.0.0.1\"; .port = \"{origin}\"; }}\n\
             sub vcl_recv {{\n  unset req.http.x-method;\n  if (req.method == \"POST\") {{\n    set req.http.x-method = \"POST\";\n    \
             std.cache_req_body(64KB);\n  }}\n  return (hash);\n}}\n\
             sub vcl_hash {{\n  if (req.http.x-method) {{ bodyaccess.hash_req_body(); }}\n}}\n\
             sub vcl_backend_fetch {{\n  if (bereq.http.x-method) {{ set bereq.method = \"POST\"; }}\n}}\n\
             sub vcl_backend_response {{ set beresp.ttl = 1h; }}\n"
        );
        fs::write(&file, text)?;
        let mut command = Command::new("varnishd");
        command.arg("-F").args(["-j", "none", "-a", &format!("127.0.0.1:{port}")]);
        command.args(["-s", "malloc,256m", "-p", "thread_pool_min=100"]);
        command.arg("-n").arg(folder.join("work")).arg("-f").arg(file);
        Ok(command)
    })
}
