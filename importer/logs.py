"""Logs: JSON lines in the state folder, rotated; what a run did and every call that went wrong, never a secret or a text of a row."""

import logging
import logging.handlers
import os
import traceback
from io import TextIOWrapper
from pathlib import Path

from importer.folders import private_folder, private_opener

BYTES_MOST = 10 * 1024 * 1024
KEPT = 5


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Each file that it begins has mode 0600, whatever the umask.

    Loses what cannot be written (a full disk) without a word: the ledger is the record, and a run is not stopped for a log.
    """

    def _open(self) -> TextIOWrapper:
        os.close(private_opener(self.baseFilename, os.O_WRONLY | os.O_CREAT))
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's name and argument
        return


def places(problem: BaseException) -> list[str]:
    """Kinds and places, from the cause to what came of it, for a log. No messages: they may hold what stands in a file."""
    cause = problem.__cause__ or problem.__context__
    frames = traceback.extract_tb(problem.__traceback__)
    return [
        *(places(cause) if cause is not None else ()),
        type(problem).__name__,
        *(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames),
    ]


def begin(folder: Path) -> Path:
    """Sends the importer's log events to `folder`/importer.jsonl (mode 0600) and returns its path. May be called again."""
    import structlog

    private_folder(folder)
    path = folder / "importer.jsonl"
    handler = _PrivateFile(path, maxBytes=BYTES_MOST, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(ensure_ascii=True),
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
            ],
        )
    )
    logger = logging.getLogger("importer")
    for known in list(logger.handlers):
        logger.removeHandler(known)
        known.close()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return path
