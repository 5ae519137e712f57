"""The JSON answer that every command gives under `--json`, on standard output, in one line."""

import json
from collections.abc import Sequence

from moss.cli.faults import error_data
from moss.errors import MossError


def success(schema: str, data: object, warnings: Sequence[str]) -> str:
    return _line({"schema": schema, "ok": True, "data": data, "warnings": list(warnings)})


def failure(error: MossError, directory: str | None = None) -> str:
    return _line({"ok": False, "error": error_data(error, directory)})


def _line(value: object) -> str:
    # ASCII, so that control characters and halves of characters are spelt out wherever it is shown.
    return json.dumps(value, ensure_ascii=True) + "\n"
