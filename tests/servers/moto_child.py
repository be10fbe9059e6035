"""Serve moto, one request at a time.

Run as a program: `python moto_child.py PORT`. A transaction of moto copies the table and puts
the copy back when it is refused, and would undo what others wrote meanwhile: hence the lock.
"""

from __future__ import annotations

import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main(port: str) -> None:
    inner = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def application(environ, start_response):
        with lock:
            return list(inner(environ, start_response))

    run_simple("127.0.0.1", int(port), application, threaded=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
