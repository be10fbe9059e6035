"""Serve a GGUF file with llama.cpp's own HTTP server until standard input ends.

Run as a program: `python llama_child.py MODEL PORT`. The server lives inside the process that
starts it, so it gets one of its own; the pipe ends also when the tests are killed.
"""

from __future__ import annotations

import os
import sys

import xllamacpp


def main(model: str, port: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 4096
    params.n_parallel = 2
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.use_jinja = True
    params.warmup = False
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.model_alias = {"tiny"}
    params.cpuparams.n_threads = 1
    params.n_threads_http = 32  # with fewer, parallel clients wait seconds for a thread
    server = xllamacpp.Server(params)
    sys.stdin.read()
    del server
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
