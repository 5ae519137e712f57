"""Where the files that come with moss are: beside the package in a checkout, inside it when installed."""

import os

_PACKAGE = os.path.dirname(os.path.realpath(__file__))


def schema_directory() -> str:
    return _first_of(os.path.join(_PACKAGE, "_data", "schema"), os.path.join(_PACKAGE, os.pardir, "schema"))


def tour_directory() -> str:
    """The source trees of the small packages that `moss tour` shows."""
    return _first_of(os.path.join(_PACKAGE, "_data", "tour"), os.path.join(_PACKAGE, os.pardir, "fixtures", "tour"))


def _first_of(*places: str) -> str:
    for place in places:
        if os.path.isdir(place):
            return place
    raise AssertionError(f"this installation of moss is incomplete: {places[0]} is missing")
