"""verify, state verify: what is damaged, and mending it.

Checked    4 generations, 52,310 files (1.2 GiB)
Store      3f/3f5a…e1 has other content than was installed     from hello 1.0-1 of main
Tree 4     /usr/bin/hello has other content than was installed  from the store
"""

import time
from collections.abc import Sequence
from typing import Annotated

from moss.cli.as_json import moment_data
from moss.cli.changing import Proposal, agreed, answer_data, opened
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, listed, moment, plain, size
from moss.examine import Damage, DamageKind
from moss.operations.interruption import ended_on_request
from moss.operations.mending import Mended, Mending, mend, propose_mending
from moss.operations.rebuild import Rebuild, Rebuilt, propose_rebuild, rebuild, record_faults
from moss.operations.system import default_effects
from moss.operations.verify import TreeState, Verification, verify, verify_generation
from moss.root import GenerationId, Root
from solver.values import replace

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
    links with the record. --fix takes what is damaged from another generation, the store, the download cache,
    or the repositories (a bundle can be one), puts what does not belong into /.moss/lost, and says what it could
    not mend. A damaged record comes back from its copy, or from the trees."""
    root = Root.at(session.settings.directory)
    if fix:
        with ended_on_request():
            faults = record_faults(root)
            return _mend_record(session, root, faults) if faults else _mend_files(session)
    faults = record_faults(root)
    if faults:
        return _found(Verification(faults, (), (), (), {}, 0, 0))
    with session.reading() as system:
        found = verify(system)
    return _found(found)


def _mend_files(session: Session) -> Answer:
    with opened(session, "verify", "--fix") as system:
        mending = propose_mending(system, verify(system))
        proposal = Proposal(
            text=lambda page: verification_text(mending.verification, page, mending),
            data=lambda: verification_data(mending.verification, mending),
            nothing_to_do=None if mending.is_due else lambda page: verification_text(mending.verification, page),
        )
        instead = agreed(session, proposal)
        if instead is not None:
            return replace(instead, exit_code=0 if mending.verification.is_clean else CORRUPT)
        session.when_interrupted(lambda: _INTERRUPTED)
        done = mend(system, mending)
    return Answer(
        lambda page: mended_text(done, page),
        answer_data(proposal, mended_data(done)),
        exit_code=CORRUPT if done.left else 0,
    )


def _mend_record(session: Session, root: Root, faults: tuple[str, ...]) -> Answer:
    """What every other mend rests on comes first, and alone."""
    settings = session.settings
    found = propose_rebuild(root, faults)
    proposal = Proposal(
        text=lambda _: rebuild_text(found),
        data=lambda: verification_data(Verification(faults, (), (), (), {}, 0, 0)) | {"rebuild": rebuild_data(found)},
    )
    instead = agreed(session, proposal)
    if instead is not None:
        return replace(instead, exit_code=CORRUPT)
    session.when_interrupted(lambda: "moss verify --fix begins anew")
    done = rebuild(
        root, default_effects(), session, lambda: int(time.time()), command="moss verify --fix", wait=settings.wait
    )
    nothing_else = mended_data(Mended(put_aside=list(done.put_aside)))
    generations = [*done.from_copy, *(one.generation for one in done.adopted)]
    return Answer(
        lambda page: rebuilt_text(done, page), answer_data(proposal, nothing_else | {"generations": generations})
    )


def rebuild_text(found: Rebuild) -> str:
    lines = [f"Record: {plain(fault)}" for fault in found.faults]
    if found.copied_at is not None:
        lines.append(f"Its copy of {moment(found.copied_at)} is sound and takes its place; so come back:")
        lines.append(f"  {_numbers(found.from_copy)}, with packages, wishes and history")
    else:
        lines.append("There is no sound copy of it; what the trees say comes back, history and settings do not:")
    if found.from_trees:
        lines.append(f"  {_numbers(found.from_trees)}, as its tree has it: packages are recognised by their files,")
        lines.append("  what was wished for, pinned, subscribed to and left out is said there")
    return "".join(line + "\n" for line in lines)


def rebuilt_text(done: Rebuilt, page: Page) -> str:
    lines = [f"Put aside: {plain(path)}" for path in done.put_aside]
    if done.from_copy:
        lines.append(f"From the copy: {_numbers(done.from_copy)}.")
    for one in done.adopted:
        known = listed([plain(label) for label in one.packages]) or "no package"
        rest = f"; {count(one.left_over, 'file')} of no known package are kept as one" if one.left_over else ""
        lines.append(f"From its tree: generation {one.generation} with {known}{rest}.")
        if one.unsaid is not None:
            lines.append(f"  What it was to be is not known ({plain(one.unsaid)}): each package counts as wished for.")
        elif one.left_over:
            lines.append("  Nobody wished for those files: the next change gives them up, and its plan says so.")
    lines.append(page.at("The record is whole again. Look at the files too: moss verify"))
    return "".join(line + "\n" for line in lines)


def rebuild_data(found: Rebuild) -> dict[str, object]:
    return {
        "copied_at": moment_data(found.copied_at),
        "from_copy": list(found.from_copy),
        "from_trees": list(found.from_trees),
    }


def _numbers(generations: Sequence[int]) -> str:
    word = "generation" if len(generations) == 1 else "generations"
    return f"{word} {listed(list(map(str, generations)))}" if generations else "no generation"


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
        lines.append(page.at("Mend it: moss verify --fix"))
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


def mended_text(done: Mended, page: Page) -> str:
    lines = [f"Put aside: {plain(path)}" for path in done.put_aside]
    lines += [f"Not mended: {plain(text)}" for text in done.left]
    parts = [f"{count(done.assets, 'file')} of the store"] if done.assets else []
    parts += [count(number, noun) for number, noun in ((done.paths, "path"), (done.trees, "tree")) if number]
    told = [f"Mended {', '.join(parts)}."] if parts else []
    told += [f"{len(done.left)} {'stays' if len(done.left) == 1 else 'stay'} damaged."] if done.left else []
    lines.append(" ".join(told) or "Mended.")
    if done.lost:
        lines.append("What is lost comes back from where it still is, when you verify again:")
        ways = (("a repository", "URI"), ("a bundle", "bundle:FILE"))
        lines += [page.at(f"  {where}: moss repo add NAME {place}") for where, place in ways]
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
        "rebuild": None,
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
        "generations": [],
    }
