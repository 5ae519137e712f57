"""The users and groups that a generation's sysusers.d adds to a root: looks, and changes nothing."""

from collections.abc import Iterable, Mapping

from moss.local.accounts import Accounts, Added, add_accounts
from moss.local.changes import Rewrite
from moss.local.made import MadeKind
from moss.local.sysusers import MemberLine, SysusersLine
from moss.local.view import RootView, UnsafePath
from moss.local.words import BadLine, Line, Notice
from solver.values import value

ACCOUNT_FILES = ("etc/gshadow", "etc/group", "etc/shadow", "etc/passwd")
"""In the order they are written: a crash in between leaves entries that the next run completes."""

_FIRST_CONTENT = {
    "etc/passwd": ("usr/share/factory/etc/passwd", "usr/share/base-passwd/passwd.master"),
    "etc/group": ("usr/share/factory/etc/group", "usr/share/base-passwd/group.master"),
    "etc/shadow": ("usr/share/factory/etc/shadow",),
    "etc/gshadow": ("usr/share/factory/etc/gshadow",),
}
_MEMBER_RECORD = "etc/group#"


@value
class ProposedAccounts:
    """`uids` and `gids` are those that the root will have."""

    rewrites: tuple[Rewrite, ...]
    added: Added
    uids: Mapping[str, int]
    gids: Mapping[str, int]
    recorded: Mapping[str, str]


def is_member_record(key: str) -> bool:
    return key.startswith(_MEMBER_RECORD)


def propose_accounts(
    view: RootView, lines: Iterable[SysusersLine], recorded: Mapping[str, str]
) -> ProposedAccounts:
    lines = list(lines)
    before = {path: view.read(path) for path in ACCOUNT_FILES}
    accounts = _accounts_of(view, before)
    wished = {(line.user, line.group) for line in lines if isinstance(line, MemberLine)}
    taken_out = frozenset(
        pair for pair in wished if _member_record(*pair) in recorded and not accounts.has_member(*pair)
    )
    added = add_accounts(accounts, lines, lambda path: _owner_of(view, path), taken_out)
    rewrites, notices = _rewrites(view, before, accounts)
    return ProposedAccounts(
        rewrites,
        Added(added.users, added.groups, added.members, (*added.notices, *notices)),
        accounts.uids(),
        accounts.gids(),
        {
            _member_record(*pair): "member"
            for pair in wished
            if pair in taken_out or accounts.has_member(*pair)
        },
    )


def _member_record(user: str, group: str) -> str:
    return f"{_MEMBER_RECORD}{group}:{user}"


def _accounts_of(view: RootView, before: Mapping[str, bytes | None]) -> Accounts:
    """What the root has, or else what the generation says a root begins with."""
    contents = {path: content for path, content in before.items() if content is not None}
    is_first = not {"etc/passwd", "etc/group"} & contents.keys()
    for path in ACCOUNT_FILES:
        for source in _FIRST_CONTENT[path]:
            if path not in contents and (content := view.read(source)) is not None:
                contents[path] = content
    lines = {path: _lines(content) for path, content in contents.items()}
    accounts = Accounts(
        lines.get("etc/passwd", []),
        lines.get("etc/group", []),
        lines.get("etc/shadow", []),
        lines.get("etc/gshadow", []),
    )
    if is_first:
        accounts.move_passwords_to_shadow()
    return accounts


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", "surrogateescape")
    return text.removesuffix("\n").split("\n") if text else []


def _owner_of(view: RootView, path: str) -> tuple[int, int] | None:
    try:
        found = view.found(view.real(path))
    except UnsafePath:
        return None
    return None if found is None else (found.uid, found.gid)


def _rewrites(
    view: RootView, before: Mapping[str, bytes | None], accounts: Accounts
) -> tuple[tuple[Rewrite, ...], tuple[Notice, ...]]:
    gids = accounts.gids()
    defaults = {
        "etc/gshadow": (accounts.gshadow, 0o640 if "shadow" in gids else 0o600, gids.get("shadow", 0)),
        "etc/group": (accounts.group, 0o644, 0),
        "etc/shadow": (accounts.shadow, 0o640 if "shadow" in gids else 0o600, gids.get("shadow", 0)),
        "etc/passwd": (accounts.passwd, 0o644, 0),
    }
    rewrites: list[Rewrite] = []
    for path in ACCOUNT_FILES:
        lines, mode, gid = defaults[path]
        content = before[path]
        if lines == _lines(content or b""):
            continue
        found = view.found(path)
        if found is not None and found.kind is not MadeKind.FILE:
            fault = BadLine(
                f"/{path} is not a regular file, so no users or groups are added", "make it a regular file"
            )
            return (), (Notice.about(Line(path, 0, ""), fault),)
        uid = 0
        if found is not None:
            mode, uid, gid = found.mode, found.uid, found.gid
        after = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        rewrites.append(Rewrite(path, content, after, mode, uid, gid))
    return tuple(rewrites), ()
