"""Users and groups of a root: passwd, group, shadow and gshadow as text, and what sysusers.d adds to them.

Existing lines stay as they are, byte for byte. New ids are taken from the top of the range downwards, as
systemd-sysusers does, so the same root and the same packages give the same ids on every machine.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, assert_never

from moss.local.sysusers import GroupLine, MemberLine, RangeLine, SysusersLine, UserLine
from moss.local.words import BadLine, Line, Notice, PassedOver
from solver.values import replace, value

_DEFAULT_RANGE = (100, 999)
_NOLOGIN = "/usr/sbin/nologin"
_LOCKED = "!*"

_Line = TypeVar("_Line", UserLine, GroupLine)

OwnerOf = Callable[[str], tuple[int, int] | None]
"""uid and gid of what is at an absolute path in the root; None when nothing is."""


class Accounts:
    """The lines of the four files, without line ends."""

    # No dataclass: importing those takes a tenth of the time of a rollback, and nothing else in one needs them.
    def __init__(self, passwd: list[str], group: list[str], shadow: list[str], gshadow: list[str]) -> None:
        self.passwd, self.group, self.shadow, self.gshadow = passwd, group, shadow, gshadow

    def uids(self) -> dict[str, int]:
        return _ids(self.passwd)

    def gids(self) -> dict[str, int]:
        return _ids(self.group)

    def move_passwords_to_shadow(self) -> None:
        """Give each user and group of a factory's files its shadow entry, as pwconv and grpconv do."""
        self.passwd, self.shadow = _shadowed(self.passwd, self.shadow, ":::::::")
        members = {_name(line): _fields(line, 4)[3] for line in self.group}
        self.group, self.gshadow = _shadowed(self.group, self.gshadow, "::", members)

    def add_user(self, name: str, uid: int, gid: int, line: UserLine | None) -> None:
        gecos, home = (line.gecos, line.home) if line else ("", "/")
        shell = (line.shell if line else None) or ("/bin/sh" if uid == 0 else _NOLOGIN)
        _insert(self.passwd, f"{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}")
        if not _has(self.shadow, name):
            expiry = "1" if line and line.locked else ""
            _insert(self.shadow, f"{name}:{_LOCKED}::::::{expiry}:")

    def add_group(self, name: str, gid: int) -> None:
        _insert(self.group, f"{name}:x:{gid}:")
        if not _has(self.gshadow, name):
            _insert(self.gshadow, f"{name}:{_LOCKED}::")

    def has_member(self, user: str, group: str) -> bool:
        return any(_name(line) == group and user in _members(line) for line in self.group)

    def add_member(self, user: str, group: str) -> None:
        for lines in (self.group, self.gshadow):
            for at, line in enumerate(lines):
                if _name(line) == group and user not in _members(line):
                    fields = _fields(line, 4)
                    fields[3] = ",".join([*_members(line), user])
                    lines[at] = ":".join(fields)


@value
class Added:
    """What sysusers.d adds, in the order it is added."""

    users: tuple[tuple[str, int], ...]
    groups: tuple[tuple[str, int], ...]
    members: tuple[tuple[str, str], ...]
    """(user, group)"""
    notices: tuple[Notice, ...]


def add_accounts(
    accounts: Accounts,
    lines: Iterable[SysusersLine],
    owner_of: OwnerOf,
    taken_out: frozenset[tuple[str, str]] = frozenset(),
) -> Added:
    """Add to `accounts` what the lines ask for and it does not have.

    `taken_out` are (user, group) that moss once joined: where the admin parted them since, they stay so.
    """
    return _Adding(accounts, list(lines), owner_of).run(taken_out)


class _Adding:
    """The work of `add_accounts`: which ids are taken so far, and what was added."""

    def __init__(self, accounts: Accounts, lines: list[SysusersLine], owner_of: OwnerOf) -> None:
        self.accounts = accounts
        self.owner_of = owner_of
        self.uids, self.gids = accounts.uids(), accounts.gids()
        self.used_uids, self.used_gids = set(self.uids.values()), set(self.gids.values())
        self.notices: list[Notice] = []
        self.new_users: list[tuple[str, int]] = []
        self.new_groups: list[tuple[str, int]] = []
        self.users: dict[str, UserLine] = {}
        self.groups: dict[str, GroupLine] = {}
        self.members: list[MemberLine] = []
        self.ranges: list[tuple[int, int]] = []
        for line in lines:
            self._sort_in(line)
        # What some line asks for by number, nobody is given by chance.
        self.kept_free = {line.uid for line in self.users.values()} | {
            line.gid for line in self.groups.values()
        }

    def _sort_in(self, line: SysusersLine) -> None:
        earlier: UserLine | GroupLine | None = None
        match line:
            case UserLine():
                earlier = self.users.setdefault(line.name, line)
            case GroupLine():
                earlier = self.groups.setdefault(line.name, line)
            case MemberLine():
                self.members.append(line)
            case RangeLine():
                self.ranges.append((line.first, line.last))
            case _:
                assert_never(line)
        if earlier is not None and replace(earlier, line=line.line) != line:
            fault = PassedOver(f"{earlier.name} is already said by {earlier.line.file}:{earlier.line.number}")
            self.notices.append(Notice.about(line.line, fault))

    def run(self, taken_out: frozenset[tuple[str, str]]) -> Added:
        for member in self.members:
            self.users.setdefault(member.user, UserLine(member.line, member.user))
            self.groups.setdefault(member.group, GroupLine(member.line, member.group))
        for group in self.groups.values():
            self._noting(self._add_group_of, group)
        for user in self.users.values():
            self._noting(self._add_user, user)
        joined: list[tuple[str, str]] = []
        for member in self.members:
            pair = (member.user, member.group)
            known = member.user in self.uids and member.group in self.gids
            if known and pair not in taken_out and not self.accounts.has_member(*pair):
                self.accounts.add_member(*pair)
                joined.append(pair)
        return Added(tuple(self.new_users), tuple(self.new_groups), tuple(joined), tuple(self.notices))

    def _noting(self, add: Callable[[_Line], None], line: _Line) -> None:
        try:
            add(line)
        except (BadLine, PassedOver) as fault:
            self.notices.append(Notice.about(line.line, fault))

    def _add_group_of(self, line: GroupLine) -> None:
        if line.name in self.gids:
            return
        if line.gid is not None and line.gid not in self.used_gids:
            self._make_group(line.name, line.gid)
            return
        gid = self._usable_or_free(line.name, self._owner(line.id_path, 1))
        self._make_group(line.name, gid)
        self._note_other_id(line.line, line.name, line.gid, gid)

    def _add_user(self, line: UserLine) -> None:
        if line.name in self.uids:
            return
        gid = self._group_of(line)
        if line.group is not None and line.uid is not None and line.uid not in self.used_uids:
            uid = line.uid  # both given: a group of another name may have this number
        else:
            own = gid if line.group in (None, line.name) else None
            uid = self._usable_or_free(line.name, line.uid, self._owner(line.id_path, 0), own)
        self.accounts.add_user(line.name, uid, gid, line)
        self.uids[line.name] = uid
        self.used_uids.add(uid)
        self.new_users.append((line.name, uid))
        self._note_other_id(line.line, line.name, line.uid, uid)

    def _make_group(self, name: str, gid: int) -> int:
        self.accounts.add_group(name, gid)
        self.gids[name] = gid
        self.used_gids.add(gid)
        self.new_groups.append((name, gid))
        return gid

    def _group_of(self, line: UserLine) -> int:
        """The gid of a user's own group, made where it must be."""
        if isinstance(line.group, int):
            if line.group not in self.used_gids:
                raise BadLine(
                    f"user {line.name} is to be in group {line.group}, which does not exist",
                    f"add a line: g NAME {line.group}",
                )
            return line.group
        name = line.group or line.name
        if name in self.gids:
            return self.gids[name]
        if line.group is not None and line.group != line.name:
            raise BadLine(
                f"user {line.name} is to be in group {name}, which does not exist", f"add a line: g {name} -"
            )
        return self._make_group(name, self._usable_or_free(name, line.uid, self._owner(line.id_path, 0)))

    def _owner(self, path: str | None, which: int) -> int | None:
        """The uid (0) or gid (1) of what is at a path, where that may be a system user's."""
        owners = self.owner_of(path) if path else None
        return owners[which] if owners and any(a <= owners[which] <= b for a, b in self._ranges()) else None

    def _usable_or_free(self, name: str, *suggested: int | None) -> int:
        """The first suggested id that nobody of another name has, else the highest that nobody has."""
        for number in suggested:
            if (
                number is not None
                and (number not in self.used_uids or self.uids.get(name) == number)
                and (number not in self.used_gids or self.gids.get(name) == number)
            ):
                return number
        for first, last in self._ranges():
            for number in range(last, max(first, 1) - 1, -1):
                if not any(number in taken for taken in (self.used_uids, self.used_gids, self.kept_free)):
                    return number
        raise BadLine(f"there is no free id for {name}", "give a wider range: r - FIRST-LAST")

    def _ranges(self) -> list[tuple[int, int]]:
        return sorted(self.ranges or [_DEFAULT_RANGE], reverse=True)

    def _note_other_id(self, line: Line, name: str, wanted: int | None, given: int) -> None:
        if wanted is not None and wanted != given:
            fault = PassedOver(f"id {wanted} is taken by another name; {name} has {given}")
            self.notices.append(Notice.about(line, fault))


def _name(line: str) -> str:
    return line.partition(":")[0]


def _fields(line: str, count: int) -> list[str]:
    fields = line.split(":")
    return fields + [""] * (count - len(fields))


def _members(line: str) -> list[str]:
    return [member for member in _fields(line, 4)[3].split(",") if member]


def _has(lines: list[str], name: str) -> bool:
    return any(_name(line) == name for line in lines)


def _ids(lines: list[str]) -> dict[str, int]:
    ids: dict[str, int] = {}
    for line in lines:
        fields = _fields(line, 3)
        if fields[0] and fields[0][0] not in "+-#" and fields[2].isdecimal():
            ids.setdefault(fields[0], int(fields[2]))
    return ids


def _insert(lines: list[str], line: str) -> None:
    """After the last line, but before those that include a directory service ("+…")."""
    at = next((at for at, other in enumerate(lines) if other.startswith(("+", "-"))), len(lines))
    lines.insert(at, line)


def _shadowed(
    lines: list[str], shadow: list[str], rest: str, members: Mapping[str, str] | None = None
) -> tuple[list[str], list[str]]:
    open_lines, shadow_lines = [], list(shadow)
    for line in lines:
        name, password, *others = _fields(line, 3)
        if password != "x" and name and name[0] not in "+-#":
            if not _has(shadow_lines, name):
                shadow_lines.append(f"{name}:{password or '*'}{rest}{(members or {}).get(name, '')}")
            line = ":".join([name, "x", *others])
        open_lines.append(line)
    return open_lines, shadow_lines
