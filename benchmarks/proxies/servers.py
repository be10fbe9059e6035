"""How each proxy is started: as its users do, with one provider and one model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.measure import ROOT, plain_environment
from benchmarks.otlp_load import pin
from benchmarks.proxies.load import ask_once

_READY_SECONDS = 240.0
_OURS = """\
[providers.bench]
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "${{BENCH_KEY}}"

[providers.bench.models.gpt-bench]
input_sats_per_million = 150
output_sats_per_million = 600

[routing.policies.everyday]
models = ["gpt-bench"]
most_output_sats_per_million = 2000

[routing.budgets]
day_sats = 1000000
key_sats = 1000000
"""
_LITELLM = """\
model_list:
  - model_name: gpt-bench
    litellm_params:
      model: openai/gpt-bench
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: key
      input_cost_per_token: 0.00000015
      output_cost_per_token: 0.0000006
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy. In `command`, `{port}` and `{upstream}` are filled in; `config` is name and text of a file."""

    name: str
    command: Sequence[str]
    config: tuple[str, str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


OURS = Proxy(
    name="ours",
    command=(sys.executable, "-m", "holdfast", "proxy", "--port", "{port}"),
    config=("holdfast.toml", _OURS),
    environment={"BENCH_KEY": "key"},
)
BARE = Proxy(
    name="bare", command=(sys.executable, "-m", "benchmarks.proxies.bare", "{port}", "{upstream}")
)
LITELLM = Proxy(
    name="litellm",
    command=(
        str(ROOT / ".venv-litellm" / "bin" / "litellm"),
        "--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1",
    ),
    config=("config.yaml", _LITELLM),
    environment={
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    },
)  # fmt: skip


def is_there(proxy: Proxy) -> bool:
    """Whether its environment was made."""
    return Path(proxy.command[0]).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A proxy that has answered; `first_ms` is how long that took from the start of its process."""

    port: int
    pid: int
    first_ms: float


@contextmanager
def running(proxy: Proxy, folder: Path, upstream: int) -> Generator[Running]:
    """Start a proxy on the first processor, wait for its first answer, and end it.

    Raises:
        RuntimeError: it ended, or does not answer.
    """
    home = folder / proxy.name
    home.mkdir(exist_ok=True)
    port = _free_port()
    if proxy.config is not None:
        name, text = proxy.config
        (home / name).write_text(text.format(upstream=upstream), encoding="utf-8")
    words = [each.format(port=port, upstream=upstream) for each in proxy.command]
    environment = {**plain_environment(), "PYTHONPATH": str(ROOT), **proxy.environment}
    begin = time.perf_counter()
    with (home / "log").open("wb") as log, subprocess.Popen(
        words, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        preexec_fn=partial(pin, 0),  # noqa: PLW1509 - no threads yet
    ) as process:  # fmt: skip
        try:
            _wait_for_answer(process, port, home / "log")
            first_ms = (time.perf_counter() - begin) * 1000
            yield Running(port=port, pid=process.pid, first_ms=first_ms)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"a proxy ended with {process.returncode}: {said}")
        try:
            ask_once(port)
        except OSError:
            time.sleep(0.005)
        except ExceptionGroup as errors:
            if errors.split(OSError)[1] is not None:
                raise
            time.sleep(0.005)
        else:
            return
    raise RuntimeError(f"{process.args} does not answer")


@contextmanager
def provider() -> Generator[int]:
    """Run the stand-in for a provider on the second processor, and give its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.proxies.upstream"], cwd=ROOT, env=dict(os.environ),
        stdout=subprocess.PIPE, text=True, preexec_fn=partial(pin, 1),  # noqa: PLW1509 - no threads yet
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
