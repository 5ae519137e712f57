"""What the maintainer scripts that are not run would have done, by a simple look at them."""

import re

from moss.foreign.control import Control
from moss.foreign.notices import NoticeKind, Notices

_WORK = {
    "registers alternatives": re.compile(r"\bupdate-alternatives\b[^\n]*?--install\b"),
    "diverts files of other packages": re.compile(r"\bdpkg-divert\b[^\n]*?--(?:add|rename)\b"),
    "makes users or groups": re.compile(r"\b(?:adduser|addgroup|useradd|groupadd)\s"),
    "sets file capabilities": re.compile(r"\bsetcap\s"),
    "overrides owners or modes": re.compile(r"\bdpkg-statoverride\b[^\n]*?--add\b"),
    "changes owners or modes": re.compile(r"^\s*(?:chown|chmod|chgrp)\s", re.M),
    "makes configuration with ucf": re.compile(r"^\s*ucf\s", re.M),
    "asks questions with debconf": re.compile(r"\bdb_(?:get|go|input)\b"),
}
_ALTERNATIVE = re.compile(r"\bupdate-alternatives\b[^\n]*?--install\s+(/[^\s\"'$]+)")

_QUIET_TRIGGERS = frozenset({"ldconfig"})
"""Activated by every library; moss has a trigger of its own for it."""


def note_scripts(control: Control, notices: Notices) -> None:
    """Say which scripts there are and which triggers, and what they are about as far as that is plain."""
    if control.scripts:
        names = ", ".join(_described(name, text) for name, text in control.scripts.items())
        notices.say(NoticeKind.SCRIPT, f"maintainer scripts that were not run: {names}")
    triggers = [line for line in control.triggers if line.split()[-1] not in _QUIET_TRIGGERS]
    if triggers:
        notices.say(NoticeKind.TRIGGER, f"dpkg triggers without effect here: {', '.join(triggers)}")


def _described(name: str, text: str) -> str:
    """`postinst (registers alternatives: /usr/bin/awk)`"""
    code = _code(text)
    work = [what for what, pattern in _WORK.items() if pattern.search(code)]
    links = sorted(set(_ALTERNATIVE.findall(code)))
    shown = "; ".join(work)
    if links:
        shown = shown.replace("registers alternatives", f"registers alternatives: {' '.join(links)}")
    return f"{name} ({shown})" if shown else name


def _code(text: str) -> str:
    """The script without comments, continued lines joined."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(lines).replace("\\\n", " ")
