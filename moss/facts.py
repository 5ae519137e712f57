"""Facts: capabilities of a machine, such as `cpu(x86-64-v3)` or `modalias(pci:v00008086d…)`."""

from solver.values import ordered_value


@ordered_value
class Fact:
    """One thing that is so of a machine."""

    capability: str
    source: str = ""
    """Where it was read, for the person: a file below /sys, a command line's file …"""
