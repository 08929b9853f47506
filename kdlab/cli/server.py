"""A JupyterLab on this machine for a while, with nothing of the reader's own: the doctor and the tests use it."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDERS = (  # what JupyterLab keeps, each in a folder of its own below ``state``
    "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR",
)  # fmt: skip
# Whatever this machine's own configuration says: no path before it, no certificate, no socket, no other folder.
_PLAIN = (
    "--ServerApp.base_url=/", "--ServerApp.certfile=", "--ServerApp.keyfile=", "--ServerApp.sock=",
)  # fmt: skip


class NotStarted(RuntimeError):
    """Raised where JupyterLab ends or does not answer, with the last line that it wrote."""


@contextmanager
def jupyterlab(folder: Path, state: Path, *options: str, patience: float = 90) -> Iterator[tuple[str, str]]:
    """Serve ``folder`` on a free port of this machine; yield the address and the token once it answers.

    Settings, runtime files and the log go to ``state``, which must be there. Raises NotStarted where there is no
    answer within ``patience`` seconds.
    """
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", f"--ServerApp.preferred_dir={folder}",
        f"--IdentityProvider.token={token}",
        "--ServerApp.open_browser=False", "--ServerApp.allow_root=True", *_PLAIN, *options,
    ]  # fmt: skip
    own = {name: str(state / name.lower()) for name in _FOLDERS}
    with (state / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **own}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        limit = time.monotonic() + patience
        while not is_there(f"{address}/api/status", token):
            if process.poll() is not None or time.monotonic() > limit:
                said = (state / "log").read_text("utf-8", errors="replace").strip().splitlines()
                raise NotStarted((said or ["none"])[-1])
            time.sleep(0.1)
        yield address, token
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_there(address: str, token: str) -> bool:
    """Say whether a page of this machine is there, for somebody with this token."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
