"""Programs that the scripts of this folder start: real search servers, Redis, and larder-proxy in front of them.

Each listens on a port of its own on loopback, and ends with the process that started it, whatever becomes of that. Search servers
come from a package registry: they run in a folder of their own, as a user who owns nothing else.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import time

# Nobody, in Linux's usual table of users.
NOBODY = "65534"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Program:
    """One that listens on a port. It can be killed and started again on the same one."""

    def __init__(self, command, port, folder, unprivileged=False):
        self.port, self.address = port, f"127.0.0.1:{port}"
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        dying = ["setpriv", "--pdeathsig", "KILL"]
        if unprivileged and os.geteuid() == 0:
            shutil.chown(self.folder, int(NOBODY), int(NOBODY))
            # Changing the user forgets the signal, so it is set afterwards.
            dying = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *dying]
        self.command = [*dying, *map(str, command)]
        self.start()

    def start(self):
        log = self.folder / "log"
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)},
            )
        for _ in range(1000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"{self.command} does not listen: {log.read_text(errors='replace')[-2000:]}")

    def kill(self):
        """As a machine that goes away does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()


def engine(kind, program, folder):
    """A search server of this kind: `osmem`, whose writes are seen at once, or `noida`, whose writes are seen after a refresh."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    port = free_port()
    # Where it was installed may be closed to nobody.
    copy = shutil.copy(program, folder / kind)
    arguments = {
        "osmem": ["-addr", f"127.0.0.1:{port}", "-no-stdin-watch"],
        "noida": [
            *["start", "--only", "elasticsearch", "--elasticsearch-port", port],
            *["--host", "127.0.0.1", "--data-dir", folder / "data"],
        ],
    }
    return Program([copy, *arguments[kind]], port, folder, unprivileged=True)


def redis(program, folder):
    port = free_port()
    return Program([program, "--port", port, "--bind", "127.0.0.1", "--save", ""], port, folder)


def proxy(program, upstream, folder, mode, search="", more="", upstream_settings="", admin=False):
    """`larder-proxy` in front of an address. Settings are lines of TOML: of the route's searches, and whatever else."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    (folder / "larder.toml").write_text(
        f'[upstreams.es]\naddresses = ["http://{upstream}"]\n{upstream_settings}'
        f'[routes.es]\nupstream = "es"\nmode = "{mode}"\n'
        f"[routes.es.search]\n{search}{more}"
    )
    port = free_port()
    command = [program, "--config", "larder.toml", "--listen", f"127.0.0.1:{port}"]
    admin_port = free_port()
    if admin:
        command += ["--admin", f"127.0.0.1:{admin_port}"]
    running = Program(command, port, folder)
    running.admin = f"127.0.0.1:{admin_port}"
    return running


def folder_for_all(path):
    """A folder whose inside a search server's user may reach."""
    path = pathlib.Path(path)
    path.chmod(0o711)
    return path
