"""Write the npm lock files anew, without any URL in them.

A lock names packages by version and hash; the address they come from is the machine's own affair
(npm's `omit-lockfile-registry-resolved`). The "funding" links that npm copies from the packages'
manifests are dropped for the same reason: a guard in `.ci/run` fails on any URL in a lock file.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDERS = ("tests", "benchmarks")
SKIPPED = {"node_modules", ".cache", "site"}


def write_lock(folder: Path) -> None:
    """Resolve the manifest in `folder` and write its `package-lock.json`."""
    command = ["npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit"]
    settings = {"NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED": "true"}
    subprocess.run(command, cwd=folder, env={**os.environ, **settings}, check=True)
    path = folder / "package-lock.json"
    lock = json.loads(path.read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        package.pop("funding", None)
    path.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Refresh the lock beside each `package.json` of the repository."""
    manifests = (each for folder in FOLDERS for each in Path(folder).rglob("package.json"))
    for manifest in sorted(manifests):
        if SKIPPED.isdisjoint(manifest.parts):
            print(f"lock: {manifest.parent / 'package-lock.json'}")
            write_lock(manifest.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
