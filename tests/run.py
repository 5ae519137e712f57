"""Run a command inside the project's own virtual environment, which is made when it is missing.

    python3 tests/run.py moss tour
    python3 tests/run.py pytest

Needs only Python (3.11 or newer) and pip; works as an ordinary user. The environment is `.venv`
beside this project's pyproject.toml, and is made anew when that file changes.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENT = PROJECT / ".venv"
STAMP = ENVIRONMENT / "made-from"


def main(command: list[str]) -> None:
    if not command:
        sys.exit(__doc__)
    wanted = hashlib.sha256((PROJECT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    if not STAMP.exists() or STAMP.read_text() != wanted:
        make_environment()
        STAMP.write_text(wanted)
    os.environ["VIRTUAL_ENV"] = str(ENVIRONMENT)
    os.environ["PATH"] = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    program = shutil.which(command[0])
    if program is None:
        sys.exit(f"there is no program {command[0]} in {ENVIRONMENT} or on the PATH")
    heed_signals()
    os.execv(program, command)


def heed_signals() -> None:
    """What a shell starts in the background, or under nohup, ignores these, and so would all that it starts itself:
    nothing could be interrupted, which tests do."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


def make_environment() -> None:
    print(f"making {ENVIRONMENT} (once)", file=sys.stderr, flush=True)
    if ENVIRONMENT.exists():
        shutil.rmtree(ENVIRONMENT)
    # Debian's python3 has no ensurepip without a further package; pip can install into a bare one.
    venv.create(ENVIRONMENT, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--python"]
    install = [*pip, str(ENVIRONMENT / "bin" / "python"), "install", "--editable", f"{PROJECT}[test]"]
    done = subprocess.run(install, check=False)
    if done.returncode != 0:
        shutil.rmtree(ENVIRONMENT)
        sys.exit("pip could not install moss; its words are above. Is pip there (apt install python3-pip)?")


if __name__ == "__main__":
    main(sys.argv[1:])
