"""The demonstration: run a workflow, kill it in the middle, resume it, show what happened.

``./dev demo [FOLDER]`` runs this. Everything goes through the `holdfast` command, as for a user;
the project that it makes is a fresh folder which is left for you to look at.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
KILL_AFTER = 3
"""How many texts are digested before the process is killed."""
TRIES = 5
HOLDFAST = [sys.executable, "-m", "holdfast"]


def main(argv: list[str]) -> int:
    """Run the demonstration over a folder of texts; return the exit code."""
    folder = Path(argv[0] if argv else HERE.parent / "docs" / "explanation").resolve()
    pattern = "**/*.md"
    if not folder.is_dir():
        print(f"there is no folder {folder}")
        return 2
    if not any(folder.glob(pattern)):
        pattern = "**/*.txt"
    if not any(folder.glob(pattern)):
        print(f"{folder} holds no .md or .txt files")
        return 2
    project = make_project(folder)
    started = kill_in_the_middle(project, folder, pattern)
    if started is None:
        return 1
    return resume(project, started)


def make_project(folder: Path) -> Path:
    """Make a project that may read the folder, and return it."""
    project = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    for name in ("brief.yaml", "brief_page.py"):
        shutil.copy(HERE / name, project / name)
    allowed = json.dumps([".", str(folder)])
    (project / "holdfast.toml").write_text(f"[tools]\nread = {allowed}\n", encoding="utf-8")
    return project


def kill_in_the_middle(project: Path, folder: Path, pattern: str) -> str | None:
    """Start a run, kill it with SIGKILL once a few texts are digested, return its id."""
    command = [*HOLDFAST, "run", "brief.yaml"]
    command += ["--input", f"folder={folder}", "--input", f"pattern={pattern}"]
    for kill_after in [KILL_AFTER, *[1] * (TRIES - 1)]:
        say(f"$ holdfast {' '.join(command[3:])}")
        process = subprocess.Popen(
            command, cwd=project, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        run_id, digested = "", 0
        assert process.stderr is not None
        for line in process.stderr:
            print(line, end="")
            if line.startswith("run "):
                run_id = line.split()[1]
            digested += "done" in line and "digest[" in line
            if digested == kill_after:
                os.kill(process.pid, signal.SIGKILL)
                break
        process.stderr.close()
        code = process.wait()
        if code == -signal.SIGKILL:
            say(f"process {process.pid} was killed with SIGKILL in the middle of run {run_id[:8]}")
            return run_id
        if code != 0:
            print(f"the run ended with exit code {code}")
            return None
        say("the run was over before the kill; once more")
    print("the texts are too few to be interrupted; give a larger folder")
    return None


def resume(project: Path, run_id: str) -> int:
    """Resume the run, then show the brief and everything about the run."""
    say(f"$ holdfast resume {run_id[:8]}")
    command = [*HOLDFAST, "resume", run_id[:8]]
    resumed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    print(resumed.stderr, end="")
    if resumed.returncode != 0:
        return resumed.returncode
    remembered = resumed.stderr.count("remembered ")
    say(f"the brief ({project / 'brief.md'}):")
    print(resumed.stdout)
    say(f"$ holdfast show {run_id[:8]}")
    shown = subprocess.run([*HOLDFAST, "show", run_id[:8]], cwd=project, check=False)
    done = resumed.stderr.count("done ")
    say(
        f"{remembered} finished steps were remembered and not run again; {done} steps were left to "
        f"do.\n   The project is in {project}"
    )
    return shown.returncode


def say(text: str) -> None:
    """Print a line that stands out."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
