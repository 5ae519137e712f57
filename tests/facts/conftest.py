"""Facts are tested through the command line too."""

from tests.cli.conftest import _no_settings_from_outside, moss

__all__ = ["_no_settings_from_outside", "moss"]
