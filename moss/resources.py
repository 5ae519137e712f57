"""Where the files that come with moss are: beside the package in a checkout, inside it when installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def schema_directory() -> Path:
    return _first_of(_PACKAGE / "_data" / "schema", _PACKAGE.parent / "schema")


def tour_directory() -> Path:
    """The source trees of the small packages that `moss tour` shows."""
    return _first_of(_PACKAGE / "_data" / "tour", _PACKAGE.parent / "fixtures" / "tour")


def _first_of(*places: Path) -> Path:
    for place in places:
        if place.is_dir():
            return place
    raise AssertionError(f"this installation of moss is incomplete: {places[0]} is missing")
