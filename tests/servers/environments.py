"""Programs of others that cannot live beside our packages: each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tests.servers.process import unavailable

_FOLDER = Path(__file__).parents[2] / ".cache" / "environments"
_BIN = Path(sys.executable).parent


def environment(name: str) -> Path:
    """Return the folder of the programs of `NAME.lock`, installed once a checkout and lock."""
    lock = Path(__file__).with_name(f"{name}.lock")
    folder, wanted = _FOLDER / name, lock.read_bytes()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(_FOLDER / f"{name}.busy", timeout=110):
        marker = folder / "installed.lock"
        if not marker.is_file() or marker.read_bytes() != wanted:
            _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
            python = str(folder / "bin" / "python")
            _uv("pip", "sync", "--quiet", "--require-hashes", "--python", python, str(lock))
            marker.write_bytes(wanted)
    return folder / "bin"


def _uv(*words: str) -> None:
    done = subprocess.run(
        [str(_BIN / "uv"), *words], capture_output=True, text=True, timeout=100, check=False
    )
    if done.returncode:
        unavailable(f"uv {words[0]} failed: {done.stderr.strip()[-500:]}")
