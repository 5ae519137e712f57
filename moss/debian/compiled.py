"""What an index was compiled to, and what the next index is compiled from."""

from solver.values import value


@value
class Compiled:
    """What a repository offers, as the solver reads it."""

    universe: bytes | memoryview
    fingerprints: bytes = b""
    """Of the paragraphs that its packages were made of, in the order of those; empty where they are not known."""
