"""What a generation's factory, tmpfiles.d and sysusers.d would change in /etc and /var: looks only.

For each path: what the generation *wishes*, what is *found*, what was *recorded* when moss made it.

    found      recorded        below /etc            elsewhere
    nothing    nothing         made                  made
    nothing    something       stays deleted         made
    as wished  anything        recorded              recorded
    other      as found        follows the wish      follows the wish
    other      other, nothing  stays, is reported    stays
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from moss.local.adjusting import Adjustment
from moss.local.changes import STAGE, Change, Kept, KeptBecause, LocalChanges, Why
from moss.local.made import Made, MadeKind, made_of_bytes
from moss.local.propose_accounts import ACCOUNT_FILES, ProposedAccounts, is_member_record, propose_accounts
from moss.local.sysusers import parse_sysusers_line
from moss.local.tmpfiles import Action, TmpfilesLine, parse_tmpfiles_line
from moss.local.view import RootView, UnsafePath, configuration_lines, specifiers_of
from moss.local.words import BadLine, Line, Notice, PassedOver, Specifiers
from solver.values import replace

_ADJUSTING = frozenset({Action.ADJUST_DIRECTORY, Action.ADJUST, Action.ADJUST_BELOW})
_NOT_OURS = {
    **dict.fromkeys(("run", "proc", "sys", "dev"), "is made anew at each boot: left to systemd"),
    "usr": "is in /usr, which only generations fill",
    ".moss": "is moss's own",
}

_Parsed = TypeVar("_Parsed")
_Attributes = tuple[int | None, int | None, int | None]
"""Mode, uid and gid, where a line says them."""


def propose_local_changes(
    root: str, usr: str, recorded: Mapping[str, str], *, apply_owners: bool | None = None
) -> LocalChanges:
    """What to do below `root` so that the generation in the tree `usr` works there.

    `recorded` is what the last `apply_local_changes` returned. `apply_owners` as in `Effects`; None means
    whether this process is root's. Bad lines are notices; the rest goes on without them.
    """
    owners = os.geteuid() == 0 if apply_owners is None else apply_owners
    view = RootView(root, usr)
    specifiers = specifiers_of(view)
    notices: list[Notice] = []
    users = _parsed(view, "sysusers.d", parse_sysusers_line, specifiers, notices)
    files = _parsed(view, "tmpfiles.d", parse_tmpfiles_line, specifiers, notices)
    accounts = propose_accounts(view, users, recorded)
    notices += accounts.added.notices
    proposal = _Proposal(view, recorded, accounts, owners, notices)
    proposal.note_adjustments([line for line in files if line.action in _ADJUSTING])
    proposal.wish_all([line for line in files if line.action not in _ADJUSTING])
    proposal.adjust_all()
    proposal.withdraw_unwished()
    return LocalChanges(
        tuple(proposal.changes.values()),
        accounts.rewrites,
        accounts.added.users,
        accounts.added.groups,
        accounts.added.members,
        tuple(proposal.kept),
        tuple(notices),
        {**proposal.recorded_after, **accounts.recorded},
        view.found(STAGE) is not None,
        not owners,
    )


def _parsed(
    view: RootView,
    kind: str,
    parse: Callable[[Line, Specifiers], _Parsed],
    specifiers: Specifiers,
    notices: list[Notice],
) -> list[_Parsed]:
    lines, unreadable = configuration_lines(view, kind)
    notices += unreadable
    parsed: list[_Parsed] = []
    for line in lines:
        try:
            parsed.append(parse(line, specifiers))
        except (BadLine, PassedOver) as fault:
            notices.append(Notice.about(line, fault))
    return parsed


class _Proposal:
    """The table above, path by path, parents first."""

    def __init__(
        self,
        view: RootView,
        recorded: Mapping[str, str],
        accounts: ProposedAccounts,
        owners: bool,
        notices: list[Notice],
    ) -> None:
        self.view = view
        self.recorded = recorded
        self.accounts = accounts
        self.owners = owners
        self.notices = notices
        self.changes: dict[str, Change] = {}
        self.kept: list[Kept] = []
        self.recorded_after: dict[str, str] = {}
        self.wished: dict[str, Line] = {}
        self.adjustments: list[Adjustment] = []
        self.deleted: set[str] = set()
        self.closed: list[str] = []
        """Where the admin has something else than the directory that is wished: nothing goes below."""

    # Wishes

    def wish_all(self, lines: Iterable[TmpfilesLine]) -> None:
        for line in sorted(lines, key=lambda line: line.path):
            try:
                self._wish_line(line)
            except (BadLine, PassedOver, PermissionError) as fault:
                self._note(line.line, fault)

    def _wish_line(self, line: TmpfilesLine) -> None:
        path = self._ours(line.path)
        uid, gid = self._uid(line), self._gid(line)
        match line.action:
            case Action.DIRECTORY:
                made = Made(MadeKind.DIRECTORY, 0o755 if line.mode is None else line.mode, uid or 0, gid or 0)
                self._wish(line, path, made, None)
            case Action.FILE:
                mode = 0o644 if line.mode is None else line.mode
                self._wish(line, path, made_of_bytes(line.content, mode, uid or 0, gid or 0), line.content)
            case Action.LINK:
                target = line.argument or f"/usr/share/factory/{line.path}"
                if line.only_if_source and not self._leads_somewhere(path, target):
                    raise PassedOver(f"there is no {target} to link to")
                self._wish(line, path, Made(MadeKind.LINK, 0o777, uid or 0, gid or 0, target), None)
            case Action.COPY:
                source = self.view.real(line.argument or f"/usr/share/factory/{line.path}")
                self._copy(line, path, source, (line.mode, uid, gid))
            case _:
                raise AssertionError(f"{line.action} is not a wish")

    def _leads_somewhere(self, path: str, target: str) -> bool:
        full = target if target.startswith("/") else f"{os.path.dirname(path)}/{target}"
        return self.view.exists(self.view.real(full))

    def _copy(self, line: TmpfilesLine, path: str, source: str, attributes: _Attributes) -> None:
        """Wish for a copy of `source` and all below it; `attributes` are the line's, for the top alone."""
        made = self.view.found(source)
        if made is None:
            raise PassedOver(f"there is no /{source} to copy")
        if made.kind is MadeKind.OTHER:
            raise PassedOver(f"/{source} is neither a file, a directory nor a symlink")
        mode, uid, gid = attributes
        made = replace(
            made,
            mode=made.mode if mode is None or made.kind is MadeKind.LINK else mode,
            uid=uid if uid is not None else made.uid if self.owners else 0,
            gid=gid if gid is not None else made.gid if self.owners else 0,
        )
        if made.kind is not MadeKind.DIRECTORY:
            self._wish(line, path, made, self.view.host_path(source))
            return
        if not _is_config(path) and self.view.found(path) is not None:
            self.wished.setdefault(path, line.line)  # a program's state is filled once
            self._keep_record(path)
            self.closed.append(path)
            return
        self._wish(line, path, made, None)
        for name in self.view.names_in(source):
            try:
                self._copy(line, f"{path}/{name}", f"{source}/{name}", (None, None, None))
            except (PassedOver, PermissionError) as fault:
                self._note(line.line, fault)

    def _wish(self, line: TmpfilesLine, path: str, made: Made, source: bytes | str | None) -> None:
        if path in ACCOUNT_FILES or any(path.startswith(f"{closed}/") for closed in self.closed):
            return
        if path in self.wished:
            if self.wished[path] != line.line:
                earlier = self.wished[path]
                raise PassedOver(f"/{path} is already said by /{earlier.file}:{earlier.number}")
            return
        self.wished[path] = line.line
        self._keep_record(path)
        found = self.view.found(path)
        if found is None:
            self._wish_new(path, self._adjusted(path, made), source)
            return
        if line.initial:
            made = replace(made, mode=found.mode, uid=found.uid, gid=found.gid)
        made = self._adjusted(path, made)
        before = Made.parse(self.recorded.get(path, ""))
        if found.is_same(made, owners=self.owners):
            self.recorded_after[path] = str(made)
        elif before is not None and found.is_between(before, made, owners=self.owners):
            self.changes[path] = Change(path, Why.FOLLOWS, made, found, source)
        else:
            self._keep(path, made, before)
            if made.kind is MadeKind.DIRECTORY and found.kind is not MadeKind.DIRECTORY:
                self.closed.append(path)

    def _wish_new(self, path: str, made: Made, source: bytes | str | None) -> None:
        ancestors = _ancestors(path)
        if _is_config(path) and (path in self.recorded or not self.deleted.isdisjoint(ancestors)):
            self.deleted.add(path)
            self.kept.append(Kept(path, KeptBecause.DELETED))
            return
        for ancestor in ancestors:
            there = self.view.planned.get(ancestor) or self.view.found(ancestor)
            if there is None:
                parent = self._adjusted(ancestor, Made(MadeKind.DIRECTORY, 0o755))
                self.changes[ancestor] = Change(ancestor, Why.NEEDED, parent, None)
                self.view.plan(ancestor, parent)
            elif there.kind is not MadeKind.DIRECTORY:
                raise PassedOver(f"/{ancestor} is not a directory, so /{path} cannot be made")
        self.changes[path] = Change(path, Why.NEW, made, None, source)
        self.view.plan(path, made)

    def _keep(self, path: str, made: Made, before: Made | None) -> None:
        """Leave what is there. Below /etc that is a difference to know of; elsewhere it is state."""
        if not _is_config(path):
            return
        if before is None:
            because = KeptBecause.WAS_THERE
        elif before.is_same(made, owners=self.owners):
            because = KeptBecause.CHANGED
        else:
            because = KeptBecause.BOTH_CHANGED
        self.kept.append(Kept(path, because))

    def _keep_record(self, path: str) -> None:
        if path in self.recorded:
            self.recorded_after[path] = self.recorded[path]

    # Adjustments

    def note_adjustments(self, lines: Iterable[TmpfilesLine]) -> None:
        """What is wished is adjusted from the start, so that it is compared as it will be."""
        for line in lines:
            try:
                self.adjustments.append(Adjustment(line, self._uid(line), self._gid(line)))
            except BadLine as fault:
                self._note(line.line, fault)

    def _adjusted(self, path: str, made: Made) -> Made:
        for adjustment in self.adjustments:
            if adjustment.covers(path):
                made = adjustment.adjusted(made)
        return made

    def adjust_all(self) -> None:
        """Adjust what is there and is not made in this run: that is mostly what programs made."""
        now: dict[str, Made] = {}
        then: dict[str, Made] = {}
        for adjustment in self.adjustments:
            try:
                for path in self._matches(adjustment):
                    found = self.view.found(path)
                    if found is None or path in self.changes:
                        continue
                    made = adjustment.adjusted(then.get(path, found))
                    if found.kind is MadeKind.FILE and made != found and self.view.has_other_links(path):
                        reason = PassedOver(f"/{path} has other hard links, which would change with it")
                        self._note(adjustment.line.line, reason)
                    else:
                        now[path], then[path] = found, made
            except (PassedOver, PermissionError) as fault:
                self._note(adjustment.line.line, fault)
        for path, made in sorted(then.items(), reverse=True):  # a directory after what is in it
            if now[path].is_same(made, owners=self.owners):
                continue
            if not _is_config(path):
                self.changes[path] = Change(path, Why.ADJUSTED, made, now[path])
            elif path not in self.wished and path not in self.recorded:
                self.kept.append(Kept(path, KeptBecause.WAS_THERE))

    def _matches(self, adjustment: Adjustment) -> list[str]:
        matches = [self._ours(path) for path in self.view.matches(adjustment.line.path)]
        if not adjustment.goes_below:
            return matches
        tree: list[str] = []
        while matches:
            path = matches.pop()
            tree.append(path)
            if not os.path.islink(self.view.host_path(path)):
                matches += [f"{path}/{name}" for name in self.view.names_in(path)]
        return tree

    # What is wished no longer

    def withdraw_unwished(self) -> None:
        """Take away what moss made below /etc and nobody changed; nothing while any line is unreadable."""
        unsure = any(notice.bad for notice in self.notices)
        for path in sorted(self.recorded.keys() - self.wished.keys(), reverse=True):
            if is_member_record(path) or path in ACCOUNT_FILES:
                continue
            if unsure or any(path.startswith(f"{closed}/") for closed in self.closed):
                self._keep_record(path)
                continue
            try:
                is_there = _is_config(path) and self.view.real(path) == path
                found = self.view.found(path) if is_there else None
            except (UnsafePath, PermissionError):
                self._keep_record(path)
                continue
            if found is None:
                continue
            before = Made.parse(self.recorded[path])
            if before is not None and found.is_same(before, owners=self.owners):
                self.changes[path] = Change(path, Why.WITHDRAWN, None, found)
            else:
                self.kept.append(Kept(path, KeptBecause.LEFT_BEHIND))

    # Small questions

    def _note(self, line: Line, fault: BadLine | PassedOver | PermissionError) -> None:
        if isinstance(fault, PermissionError):
            path = os.path.relpath(os.fsdecode(fault.filename), self.view.root)
            fault = BadLine(f"/{path} cannot be looked at: permission denied", "run moss as root")
        self.notices.append(Notice.about(line, fault))

    def _ours(self, path: str) -> str:
        """The real path; raises `PassedOver` where moss makes nothing."""
        real = self.view.real(path)
        reason = _NOT_OURS.get(real.partition("/")[0])
        if reason is not None or not real:
            raise PassedOver(f"/{real} {reason or 'is the root itself'}")
        return real

    def _uid(self, line: TmpfilesLine) -> int | None:
        return _id_of("user", line.user, self.accounts.uids)

    def _gid(self, line: TmpfilesLine) -> int | None:
        return _id_of("group", line.group, self.accounts.gids)


def _id_of(what: str, name: str | None, ids: Mapping[str, int]) -> int | None:
    if name is None:
        return None
    if name.isascii() and name.isdecimal():
        return int(name)
    if name == "root":
        return 0
    if name not in ids:
        raise BadLine(f"there is no {what} {name}", f"add a sysusers.d line for {name}")
    return ids[name]


def _is_config(path: str) -> bool:
    """Below /etc, where what differs is the admin's decision."""
    return path.startswith("etc/")


def _ancestors(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
