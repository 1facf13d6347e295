//! A real search server: osmem-server, which speaks OpenSearch's API and keeps its documents in memory. It is a package of PyPI with a
//! static binary in it, pinned by version and hash in `requirements.txt`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::Failed;

/// What is installed.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/requirements.txt");
/// Where the program is in its package is what the package says.
const RESOLVE: &str = "import osmem_server; print(osmem_server.resolve_binary())";
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, which ends with this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts this program, or the one of the package.
    pub(crate) async fn start(program: Option<PathBuf>) -> Result<Self, Failed> {
        let program = match program {
            Some(program) => program,
            None => installed().await?,
        };
        let mut child = Command::new(&program)
            .args(["-addr", "127.0.0.1:0", "-no-stdin-watch"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| format!("{}: {why}", program.display()))?;
        let stdout = child.stdout.take().ok_or("the server has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        // The first line says that it is ready, as JSON.
        let ready =
            timeout(PATIENCE, lines.next_line()).await.map_err(|_| "the server did not start in time")??;
        let ready = ready.ok_or_else(|| format!("{} ended before it was ready", program.display()))?;
        let address = url(&ready)
            .ok_or_else(|| format!("{} said {ready:?}, and not where it is", program.display()))?;
        // What follows is read by nobody, and must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { address, child })
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        // It may have ended already.
        let _ = self.child.kill().await;
    }
}

/// The address in the line that says that it is ready.
fn url(ready: &str) -> Option<SocketAddr> {
    let said: serde_json::Value = serde_json::from_str(ready).ok()?;
    said.get("url")?.as_str()?.strip_prefix("http://")?.trim_end_matches('/').parse().ok()
}

/// The program of the package, which is fetched once, into the build directory.
async fn installed() -> Result<PathBuf, Failed> {
    let environment = build_directory()?.join("search-proxy");
    let python = environment.join("bin/python");
    let wanted = tokio::fs::read_to_string(REQUIREMENTS).await?;
    // Written last, so an environment that was interrupted halfway is made again.
    let stamp = environment.join("installed.txt");
    if tokio::fs::read_to_string(&stamp).await.ok().as_ref() != Some(&wanted) {
        println!("fetching osmem-server into {}", environment.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment)).await?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--requirement",
        ];
        run(Command::new(&python).args(pip).arg(REQUIREMENTS)).await?;
        tokio::fs::write(&stamp, wanted).await?;
    }
    let found = run(Command::new(&python).args(["-c", RESOLVE])).await?;
    Ok(PathBuf::from(found.trim()))
}

/// The folder that cargo builds into: two above this program.
fn build_directory() -> Result<PathBuf, Failed> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).ok_or("this program is in no build directory")?;
    Ok(Path::new(folder).to_owned())
}

async fn run(command: &mut Command) -> Result<String, Failed> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|why| format!("{name}: {why}; Python 3 with venv is needed, or --server PROGRAM"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name} failed: {}; without a network, use --server PROGRAM", why.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
