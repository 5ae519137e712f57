"""moss: a transactional system manager.

Read `moss/operations/` first: it tells, one file per stage, how a wish becomes a generation.
`docs/architecture.md` draws the house, `docs/terms.md` fixes the words.
"""

__version__ = "0.1.0"
