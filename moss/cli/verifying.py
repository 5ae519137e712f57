"""verify, state verify: what is damaged, and mending it.

Checked    4 generations, 52,310 files (1.2 GiB)
Store      3f/3f5a…e1 has other content than was installed     from hello 1.0-1 of main
Tree 4     /usr/bin/hello has other content than was installed  from the store
"""

from typing import Annotated

from moss.cli.changing import Proposal, agreed, answer_data, opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, plain, size
from moss.examine import Damage, DamageKind
from moss.operations.mending import Mended, Mending, mend, propose_mending
from moss.operations.verify import TreeState, Verification, verify, verify_generation
from moss.root import GenerationId

CORRUPT = 7
"""The exit code when something is damaged, as docs/exit-codes.md says."""

_INTERRUPTED = "what was mended stays mended, verify --fix does the rest"
_MOST_LINES = 20
"""Of one tree; `-v` shows all."""


def verify_system(
    session: Session,
    fix: Annotated[bool, Option("--fix", help="Mend what is damaged, from other copies.")] = False,
) -> Answer:
    """Reads every file of every generation and of the store, and compares content, permissions, owners and
    links with the record. --fix takes what is damaged from another generation, the store, or the
    repositories' packages, puts what does not belong into /.moss/lost, and says what it could not mend."""
    if not fix:
        with session.reading() as system:
            found = verify(system)
        return _found(found)
    with opened(session, "verify", "--fix") as system:
        mending = propose_mending(system, verify(system))
        proposal = Proposal(
            text=lambda page: verification_text(mending.verification, page, mending),
            data=lambda: verification_data(mending.verification, mending),
            nothing_to_do=None if mending.is_due else lambda page: verification_text(mending.verification, page),
        )
        instead = agreed(session, proposal)
        if instead is not None:
            return instead._replace(exit_code=0 if mending.verification.is_clean else CORRUPT)
        session.when_interrupted(lambda: _INTERRUPTED)
        done = mend(system, mending)
    return Answer(
        lambda _: mended_text(done),
        answer_data(proposal, mended_data(done)),
        exit_code=CORRUPT if done.left else 0,
    )


def state_verify(
    session: Session,
    generation: Annotated[
        int | None,
        Argument(metavar="[GENERATION]", min=1, help="Its number; the active one when left out."),
    ] = None,
) -> Answer:
    """Reads every file of its tree and compares content, permissions, owners and links with the record."""
    with session.reading() as system:
        found = verify_generation(system, None if generation is None else GenerationId(generation))
    return _found(found)


def _found(found: Verification) -> Answer:
    return Answer(
        lambda page: verification_text(found, page),
        lambda: verification_data(found),
        exit_code=0 if found.is_clean else CORRUPT,
    )


def verification_sentence(found: Verification) -> str:
    if found.record:
        return "The record is damaged; no file was compared with it."
    looked = f"{count(len(found.trees), 'tree')}, {count(found.files, 'file')} ({size(found.bytes)})"
    return f"All is as it should be: {looked}." if found.is_clean else f"Looked at {looked}."


def verification_text(found: Verification, page: Page, mending: Mending | None = None) -> str:
    lines = [f"Record: {plain(fault)}" for fault in found.record]
    lines += _store_lines(found, mending)
    for tree in found.trees:
        lines += _tree_lines(tree, page, mending)
    lines.append(verification_sentence(found))
    if not found.is_clean and mending is None:
        lines.append("Mend it: moss verify --fix")
    return "".join(line + "\n" for line in lines)


def _store_lines(found: Verification, mending: Mending | None) -> list[str]:
    how = {mend.asset: mend.how for mend in mending.assets} if mending is not None else {}
    lines: list[str] = []
    for damaged in found.store:
        for damage in damaged.damages:
            line = f"Store: {plain(damage.path)} {damage.found}"
            if damaged.asset in how:
                line += f" → {plain(how[damaged.asset] or 'no other copy is known')}"
            lines.append(line)
    if found.orphans:
        room = size(sum(room for _, room in found.orphans))
        removed = " → removed" if mending is not None else ""
        lines.append(f"Store: {count(len(found.orphans), 'file')} of no package ({room}){removed}")
    return lines


def _tree_lines(tree: TreeState, page: Page, mending: Mending | None) -> list[str]:
    name = f"Generation {tree.generation} ({tree.place})"
    if not tree.is_there:
        return [f"{name}: has no tree" + (" → made anew" if mending is not None else "")]
    shown = tree.damages if page.verbose else tree.damages[:_MOST_LINES]
    lines = [
        f"{name}: /usr/{plain(damage.path)} {plain(damage.found)}{_how(tree, damage, mending)}" for damage in shown
    ]
    if len(shown) < len(tree.damages):
        lines.append(f"{name}: {len(tree.damages) - len(shown)} more, shown with -v")
    return lines


def _how(tree: TreeState, damage: Damage, mending: Mending | None) -> str:
    if mending is None:
        return ""
    if tree.place == "spare":
        return " → the spare is thrown away"
    if damage.kind is DamageKind.FOREIGN:
        return f" → put aside in /.moss/lost/{tree.generation}"
    return ""


def mended_text(done: Mended) -> str:
    lines = [f"Put aside: {plain(path)}" for path in done.put_aside]
    lines += [f"Not mended: {plain(text)}" for text in done.left]
    parts = [
        count(number, noun)
        for number, noun in ((done.assets, "file of the store"), (done.paths, "path"), (done.trees, "tree"))
        if number
    ]
    told = f"Mended {', '.join(parts).replace('file of the stores', 'files of the store')}." if parts else "Mended."
    lines.append(told if not done.left else f"{told if parts else ''} {len(done.left)} stay damaged.".strip())
    return "".join(line + "\n" for line in lines)


def verification_data(found: Verification, mending: Mending | None = None) -> dict[str, object]:
    how = {mend.asset: mend.how for mend in mending.assets} if mending is not None else {}
    return {
        "clean": found.is_clean,
        "record": list(found.record),
        "store": [
            _damage_data(damage) | {"mended_from": how.get(damaged.asset)}
            for damaged in found.store
            for damage in damaged.damages
        ],
        "orphans": len(found.orphans),
        "orphan_bytes": sum(room for _, room in found.orphans),
        "trees": [
            {
                "generation": tree.generation,
                "place": tree.place,
                "is_there": tree.is_there,
                "damages": [_damage_data(damage) for damage in tree.damages],
            }
            for tree in found.trees
        ],
        "files": found.files,
        "bytes": found.bytes,
    }


def _damage_data(damage: Damage) -> dict[str, object]:
    return {"path": damage.path, "kind": damage.kind.value, "found": damage.found}


def mended_data(done: Mended) -> dict[str, object]:
    return {
        "assets": done.assets,
        "paths": done.paths,
        "trees": done.trees,
        "put_aside": list(done.put_aside),
        "left": list(done.left),
    }
