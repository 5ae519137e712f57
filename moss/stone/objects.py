"""JSON objects in the container's payloads and attributes."""

import json
from typing import Any

from moss.stone.container import Place


def json_object(raw: bytes, place: Place, what: str) -> dict[str, Any]:
    """CorruptData where it is none; `what` of the file that is."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise place.fault(f"{what} is not JSON ({fault})") from fault
    if not isinstance(found, dict):
        raise place.fault(f"{what} is not a JSON object")
    return found
