"""key make, list, show, pin, remove: who signs bundles here, and whose bundles are taken."""

from typing import Annotated

from moss.cli.as_json import moment_data
from moss.cli.changing import Proposal, agreed, answer_data, opened
from moss.cli.parameters import Argument
from moss.cli.session import Answer, Session
from moss.cli.text import Page, moment, plain, table
from moss.operations import keys
from moss.operations.keys import Key

_NAME = Argument(metavar="NAME", help="As `key list` shows it.")


def key_make(
    session: Session,
    name: Annotated[str, Argument(metavar="[NAME]", help="What you want to call it.")] = "own",
) -> Answer:
    """`export` signs with it. Its secret half stays here, readable by the system's owner alone; what is
    printed is the public half, for `key pin` on the machines that shall take what it signs."""
    with opened(session, "key", "make", name) as system:
        if session.settings.dry_run:
            return _nothing_done(f"A key {name} would be made")
        made = keys.make_key(system, name)
    return Answer(lambda _: f"{made.public}\n", lambda: key_data(made))


def key_list(session: Session) -> Answer:
    """Those that sign here, and those of others that are pinned."""
    with session.reading() as system:
        known = keys.keys(system)
    return Answer(lambda page: keys_text(known, page), lambda: [key_data(key) for key in known])


def key_show(session: Session, name: Annotated[str, _NAME] = "own") -> Answer:
    """Prints the public half, in one line."""
    with session.reading() as system:
        key = keys.key_named(system, name)
    return Answer(lambda _: f"{key.public}\n", lambda: key_data(key))


def key_pin(
    session: Session,
    name: Annotated[str, Argument(metavar="NAME", help="What you want to call it.")],
    public: Annotated[
        str, Argument(metavar="KEY", help="As `key show` prints it where it was made; or a file that holds that.")
    ],
) -> Answer:
    """From then on bundles that it signed are taken. Compare the key with its owner before."""
    with opened(session, "key", "pin", name, public) as system:
        if session.settings.dry_run:
            return _nothing_done(f"The key would be pinned as {name}")
        pinned = keys.pin_key(system, name, public)
    return Answer(lambda _: f"What {pinned.public} signs is taken, as {plain(name)}'s.\n", lambda: key_data(pinned))


def key_remove(session: Session, name: Annotated[str, _NAME]) -> Answer:
    """A pinned key is trusted no more; one that signs here is gone for good."""
    with opened(session, "key", "remove", name) as system:
        key = keys.key_named(system, name)
        what = "the key signs nothing any more, and cannot be made again" if key.is_own else "it is trusted no more"
        proposal = Proposal(text=lambda _: f"Remove    {plain(name)}: {what}\n", data=lambda: key_data(key))
        instead = agreed(session, proposal)
        if instead is not None:
            return instead
        keys.remove_key(system, name)
    return Answer(lambda _: f"The key {plain(name)} is gone.\n", answer_data(proposal, {"removed": name}))


def keys_text(known: list[Key], page: Page) -> str:
    if not known:
        return "There is no key yet.\n"
    rows = [
        (
            plain(key.name),
            "signs here" if key.is_own else f"pinned {moment(key.pinned_at or 0)}",
            str(key.public),
        )
        for key in known
    ]
    return table(("Key", "", "Public"), rows, page)


def key_data(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "public": str(key.public),
        "own": key.is_own,
        "pinned_at": moment_data(key.pinned_at),
    }


def _nothing_done(sentence: str) -> Answer:
    return Answer(lambda _: f"{plain(sentence)}.\nDry run: nothing changed.\n", lambda: None)
