"""The door: exceptions become messages and exit codes."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from importer.core.errors import ImporterError
from importer.folders import private_folder


def guarded(arguments: Sequence[str]) -> int:
    """Runs one command and gives its exit code."""
    from importer.cli.app import app

    _speak_utf8()
    try:
        result = app(list(arguments), standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except ImporterError as problem:
        from importer.cli.screen import tell_problem

        tell_problem(problem, arguments)
        return problem.exit_code
    except (KeyboardInterrupt, BrokenPipeError) as stopped:
        return _cut_off(stopped)
    except OSError as problem:
        return _of_the_system(problem, arguments)
    except Exception as problem:  # noqa: BLE001 - the door: it ends here, with a message and the log's path
        return _unexpected(problem)


SPACE = "Free some space on the disk, then run importer resume; importer report RUN writes its results again."
HANDLES = "Too many open files: close other programs or raise the limit (ulimit -n), then run importer resume."
RIGHTS = "Choose another folder with --out, importer report RUN --out FOLDER for a run's results, or --state-dir."
ADVICE = {
    errno.ENOSPC: SPACE, errno.EDQUOT: SPACE, errno.EMFILE: HANDLES, errno.ENFILE: HANDLES,
    errno.EROFS: RIGHTS, errno.EACCES: RIGHTS, errno.EPERM: RIGHTS,
}  # fmt: skip
"""What to do about what the system refuses, whatever it was wanted for."""


def _of_the_system(problem: OSError, arguments: Sequence[str]) -> int:
    if problem.errno not in ADVICE:
        return _unexpected(problem)
    from importer.cli.screen import tell_problem

    where = f": {problem.filename}" if problem.filename else ""
    tell_problem(ImporterError(f"{problem.strerror}{where}.", ADVICE[problem.errno]), arguments)
    return 1


def _speak_utf8() -> None:
    """Signs that an old terminal or pipe cannot show become `?` instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _cut_off(stopped: BaseException) -> int:
    if isinstance(stopped, BrokenPipeError):  # the reader of our output left; there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    print("Interrupted. Nothing is lost; carry on with: importer resume", file=sys.stderr)  # noqa: T201
    return 130


def _unexpected(problem: Exception) -> int:
    """Usage errors of the command-line library speak for themselves; anything else is a bug, kept in a file."""
    show = getattr(problem, "show", None)
    code = getattr(problem, "exit_code", None)
    if callable(show) and isinstance(code, int):
        show()
        return code
    if type(problem).__name__ == "Abort":
        print("Aborted.", file=sys.stderr)  # noqa: T201
        return 130
    from importer.cli.screen import harmless

    path = _kept(problem)
    print(f"✖ Unexpected failure: {type(problem).__name__}: {harmless(problem)}"[:2000], file=sys.stderr)  # noqa: T201
    print(f"  fix Nothing that was sent is lost: importer resume carries on. Details: {path}", file=sys.stderr)  # noqa: T201
    return 1


def _kept(problem: Exception) -> str:
    """Writes the traceback to a file, without the values of variables."""
    import platformdirs

    chosen = os.environ.get("IMPORTER_STATE_DIR")
    folder = Path(chosen or platformdirs.user_state_dir("genesys-task-importer", appauthor=False))
    path = folder / "failures.log"
    try:
        private_folder(folder)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8", errors="replace") as file:
            traceback.print_exception(problem, file=file)
    except OSError:
        traceback.print_exception(problem)
        return "above"
    return str(path)
