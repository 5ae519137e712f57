"""What triggers did to packages' files, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moss.cli.text import count, plain

if TYPE_CHECKING:
    from moss.db.triggers import TriggerRun

_SHOWN = 3


def changed_in_words(run: TriggerRun) -> list[str]:
    """`hwdb removed 2 files of packages: /usr/a (of p), …`: one for what was removed, one for what was replaced."""
    said = []
    for removed, did in ((True, "removed"), (False, "replaced")):
        ones = [one for one in run.changed if one.removed is removed]
        if ones:
            told = [f"/usr/{plain(one.path)} (of {plain(one.package)})" for one in ones[:_SHOWN]]
            more = ["…"] if len(ones) > _SHOWN else []
            said.append(f"{plain(run.name)} {did} {count(len(ones), 'file')} of packages: {', '.join(told + more)}")
    return said
