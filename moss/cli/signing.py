"""index --key, trust init, show, rotate, sign, renew: a repository's signatures, for its maker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from moss.cli.as_json import moment_data
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, moment, plain
from moss.errors import UsageError

if TYPE_CHECKING:
    from moss.digest import PackageDigest
    from moss.effects import Effects
    from moss.trust import PublicKey, SecretKey
    from moss.tuf.roles import Role, RoleState, Signed

_Folder = Annotated[str, Argument(metavar="DIR", help="The repository: where its stone.index is.")]
_Keys = Annotated[
    list[str] | None, Option("--key", metavar="NAME", help="Sign with this key of the system's; several times.")
]
_Add = Annotated[
    list[str] | None,
    Option("--add", metavar="ROLE=KEY", help="Give a key a role: root, targets, snapshot, timestamp or all."),
]
_Remove = Annotated[
    list[str] | None, Option("--remove", metavar="ROLE=KEY", help="Take a role from a key; several times.")
]
_Thresholds = Annotated[
    list[str] | None, Option("--threshold", metavar="ROLE=N", help="So many keys of the role must sign.")
]
_Days = Annotated[list[str] | None, Option("--days", metavar="ROLE=N", help="For so long what the role signs is good.")]


def trust_init(
    session: Session, folder: _Folder, keys: _Keys = None, add: _Add = None, thresholds: _Thresholds = None,
    days: _Days = None,
) -> Answer:  # fmt: skip
    """Writes DIR/tuf/1.root.json, signed with --key: which keys sign what from then on. A role that --add gives no
    key has all that sign. A KEY is a name that `key list` shows, or the public key itself. Users pin this file."""
    from moss.tuf.roles import Role
    from moss.tuf.signing import new_root

    signing = signing_keys(session, folder, keys or (), needed=True)
    roles = _by_role(session, add)
    own = [key.public for key in signing]
    given = {role: roles.get(role) or own for role in Role}
    return _signed(
        session,
        lambda effects, now: new_root(
            folder, given, _numbers(thresholds, "--threshold"), _numbers(days, "--days"), signing, effects, now
        ),
    )


def trust_rotate(
    session: Session, folder: _Folder, keys: _Keys = None, add: _Add = None, remove: _Remove = None,
    thresholds: _Thresholds = None, days: _Days = None,
) -> Answer:  # fmt: skip
    """Makes the next root, with other keys, thresholds or times, or only with a later end. It must be signed by
    enough root keys of the old one and of the new; until then it waits for `trust sign`. What other roles
    have signed is signed anew where their keys change. Users follow by themselves: nothing need be pinned."""
    from moss.tuf.roles import Role
    from moss.tuf.signing import RoleChange, change_root

    signing = signing_keys(session, folder, keys or (), needed=True)
    added, removed = _by_role(session, add), _by_role(session, remove)
    numbers, lengths = _numbers(thresholds, "--threshold"), _numbers(days, "--days")
    changes = {
        role: RoleChange(tuple(added.get(role, ())), tuple(removed.get(role, ())), numbers.get(role), lengths.get(role))
        for role in Role
    }
    return _signed(session, lambda effects, now: change_root(folder, changes, signing, effects, now))


def trust_sign(session: Session, folder: _Folder, keys: _Keys = None) -> Answer:
    """Adds signatures to the root that waits for them; with enough it is published. The folder may have come from
    where the other keys are, and go on from here."""
    from moss.tuf.signing import add_signatures

    signing = signing_keys(session, folder, keys or (), needed=True)
    return _signed(session, lambda effects, now: add_signatures(folder, signing, effects, now))


def trust_renew(session: Session, folder: _Folder, keys: _Keys = None) -> Answer:
    """Signs the timestamp again, and what else these keys sign where half of its time is over; reads no stones.
    Run it by a timer, well before the timestamp expires."""
    from moss.tuf.signing import renew

    signing = signing_keys(session, folder, keys or (), needed=True)
    return _signed(session, lambda effects, now: renew(folder, signing, effects, now))


def trust_show(session: Session, folder: _Folder) -> Answer:
    """Prints the fingerprint of the newest root, and which keys sign what, until when."""
    from moss.tuf.signing import show

    session.stage(f"reading the metadata of {folder}")
    signed = show(folder)
    return Answer(lambda page: signed_text(signed, page), lambda: signed_data(signed))


def signing_keys(session: Session, folder: str, names: Sequence[str], *, needed: bool = False) -> list[SecretKey]:
    """The keys of these names that sign here. UsageError where there must be one and none is named."""
    if not names:
        if needed or _is_signed(folder):
            raise UsageError(
                f"{folder} is signed: name the keys that sign" if not needed else "name the keys that sign",
                remedies=["--key NAME", "moss key list", "moss key make NAME"],
            )
        return []
    from moss.operations.keys import signing_key  # few indexes are signed

    with session.reading() as system:
        found = [signing_key(system, name) for name in names]
    return [key for key in found if key is not None]


def known_content_ids(folder: str) -> dict[PackageDigest, str]:
    """By stone, as the index that is signed already has them: those stones need not be read again."""
    from moss.tuf.signing import signed_content_ids

    return signed_content_ids(folder)


def sign_index(session: Session, folder: str, signing: Sequence[SecretKey]) -> Signed:
    """Sign the index that was just written."""
    import time

    from moss.operations.system import default_effects
    from moss.tuf.signing import publish

    session.stage(f"signing {folder}")
    return publish(folder, signing, default_effects(), int(time.time()))


def signed_line(signed: Signed) -> str:
    until = "" if signed.expires_at is None else f", good until {moment(signed.expires_at)}"
    return f"Signed: root {signed.root_version}, sha256:{signed.fingerprint}{until}\n"


def signed_text(signed: Signed, _: Page) -> str:
    """All that the metadata of a repository say, for its maker."""
    lines = [signed_line(signed)]
    for state in signed.roles:
        when = "not yet" if state.expires_at is None else f"{state.version}, good until {moment(state.expires_at)}"
        lines.append(
            f"{state.role.value:<10} {when}; {count(state.days, 'day')} each, {state.threshold} of:\n"
            + "".join(f"             {key}\n" for key in state.keys)
        )
    if signed.next_root is not None:
        waits = signed.next_root
        lines.append(f"Root {waits.version} waits; it is signed by {count(waits.signed_by, 'key')}.\n")
        lines += [f"  {plain(said)}\n" for said in waits.lacking]
    return "".join(lines)


def signed_data(signed: Signed) -> dict[str, object]:
    waits = signed.next_root
    return {
        "folder": signed.folder,
        "root_version": signed.root_version,
        "fingerprint": signed.fingerprint,
        "expires_at": moment_data(signed.expires_at),
        "roles": [_role_data(state) for state in signed.roles],
        "next_root": None
        if waits is None
        else {"version": waits.version, "signed_by": waits.signed_by, "lacking": list(waits.lacking)},
    }


def _role_data(state: RoleState) -> dict[str, object]:
    return {
        "role": state.role.value,
        "keys": [str(key) for key in state.keys],
        "threshold": state.threshold,
        "days": state.days,
        "version": state.version,
        "expires_at": moment_data(state.expires_at),
    }


def _signed(session: Session, sign: Callable[[Effects, int], Signed]) -> Answer:
    import time

    from moss.operations.system import default_effects

    session.when_interrupted(lambda: "what users read is the old state or the new one, whole")
    if session.settings.dry_run:
        return Answer(lambda _: "The metadata would be signed.\nDry run: nothing changed.\n", lambda: None)
    signed = sign(default_effects(), int(time.time()))
    return Answer(lambda page: signed_text(signed, page), lambda: signed_data(signed))


def _by_role(session: Session, said: Iterable[str] | None) -> dict[Role, list[PublicKey]]:
    """`timestamp=online` and `all=moss-key-1:…`."""
    from moss.tuf.roles import Role

    found: dict[Role, list[PublicKey]] = {}
    for text in said or ():
        word, _, key = text.partition("=")
        for role in tuple(Role) if word == "all" else (_role(word, text),):
            found.setdefault(role, []).append(_public_key(session, key))
    return found


def _public_key(session: Session, text: str) -> PublicKey:
    from moss.operations.keys import key_named
    from moss.trust import PublicKey

    if text.startswith("moss-key-"):
        return PublicKey.parse(text)
    with session.reading() as system:
        return key_named(system, text).public


def _numbers(said: Iterable[str] | None, option: str) -> dict[Role, int]:
    found: dict[Role, int] = {}
    for text in said or ():
        word, _, number = text.partition("=")
        if not number.isdecimal() or not 0 < int(number) <= 36_500:
            raise UsageError(f"{option} {text}: {number!r} is not a number that fits", remedies=[f"{option} root=2"])
        found[_role(word, text)] = int(number)
    return found


def _role(word: str, text: str) -> Role:
    from moss.tuf.roles import Role

    try:
        return Role(word)
    except ValueError:
        words = ", ".join(role.value for role in Role)
        raise UsageError(f"{text}: {word!r} is no role", because=[f"the roles are {words}"]) from None


def _is_signed(folder: str) -> bool:
    import os

    from moss.tuf.roles import FOLDER

    return os.path.exists(os.path.join(folder, FOLDER, "1.root.json"))
