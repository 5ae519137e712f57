"""export, receipt, bundle inspect and verify: a generation carried to where no network is."""

import os
from collections.abc import Callable
from typing import Annotated

from moss.bundle.check import check_bundle
from moss.bundle.read import open_bundle
from moss.bundle.receipt import Receipt, read_receipt
from moss.cli.bundle_text import bundle_data, bundle_text, exported_data, exported_text, proposed_text
from moss.cli.changing import opened
from moss.cli.files import input_file, name_of, output_file
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.streams import standard_error, write
from moss.cli.text import count, plain, size
from moss.errors import UsageError
from moss.operations import exporting
from moss.operations.exporting import propose_export, receipt_of
from moss.operations.keys import signing_key
from moss.root import GenerationId
from moss.trust import PublicKey

_OUTPUT = Option("--output", "-o", metavar="FILE", help="Where it goes; '-' is standard output.")


def export(
    session: Session,
    output: Annotated[str, _OUTPUT],
    generation: Annotated[
        int | None,
        Argument(metavar="[GENERATION]", min=1, help="A number that `state list` shows; else the active one."),
    ] = None,
    receipt_file: Annotated[
        str | None, Option("--for", metavar="RECEIPT", help="Leave out what that system has.")
    ] = None,
    since: Annotated[
        int | None,
        Option("--since", metavar="GENERATION", min=1, help="Leave out what that generation here has."),
    ] = None,
    key: Annotated[
        str | None, Option("--key", metavar="NAME", help="Which of several keys signs; see `key make`.")
    ] = None,
    level: Annotated[int, Option("--level", metavar="N", min=1, help="How hard to compress, up to 19.")] = 3,
) -> Answer:
    """A bundle holds a whole generation: what was asked for, the packages with their reasons, and every
    file once. `sync --from` makes it on another system, without a network. Signed, if there is a key."""
    if receipt_file is not None and since is not None:
        raise UsageError("--for and --since say the same thing in two ways", remedies=["give one of them"])
    if level > 19:
        raise UsageError(f"there is no level {level}", remedies=["--level 19 compresses hardest"])
    session.when_interrupted(_look_afterwards(output))
    receipt = None if receipt_file is None else _receipt(receipt_file)
    words = [str(generation)] if generation is not None else []
    with opened(session, "export", *words) as system:
        proposed = propose_export(
            system,
            None if generation is None else GenerationId(generation),
            receipt=receipt,
            since=None if since is None else GenerationId(since),
            key=signing_key(system, key),
        )
        if proposed.key is None:
            session.warning("the bundle is not signed, since there is no key here: moss key make NAME")
        if session.settings.dry_run:
            return Answer(lambda _: proposed_text(proposed), lambda: None)
        with output_file(output, as_json=session.settings.json) as (target, spool_directory):
            exported = exporting.export(system, proposed, target, spool_directory=spool_directory, level=level)
    return _told(output, exported_text(exported, output), lambda: exported_data(exported, output))


def _look_afterwards(output: str) -> Callable[[], str]:
    """What is to be said after an interruption: a bundle gets its name in one step, and a signal may come after it."""
    before = _identity(output)
    return lambda: (
        "no bundle was written" if _identity(output) == before else f"the bundle {output} was written before that"
    )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def receipt(session: Session, output: Annotated[str, _OUTPUT]) -> Answer:
    """Says which packages this system has, in a few kilobytes: `export --for` then leaves those out."""
    with session.reading() as system:
        made = receipt_of(system)
    if session.settings.dry_run:
        return Answer(lambda _: "Dry run: nothing was written.\n", lambda: None)
    with output_file(output, as_json=session.settings.json) as (target, _):
        written = made.write(target)
    text = f"{plain(output)}: {count(len(made.packages), 'package')}, {size(written)}.\n"
    return _told(
        output,
        text,
        lambda: {"file": output, "system": made.system, "packages": len(made.packages), "bytes": written},
    )


def bundle_inspect(
    session: Session,  # noqa: ARG001 - every command has one
    file: Annotated[str, Argument(metavar="FILE", help="A bundle; '-' is standard input.")],
) -> Answer:
    """Reads all but the files' contents. Whether its maker is to be trusted is for `sync --from` to say."""
    with input_file(file) as stream:
        bundle = open_bundle(stream, name_of(file))
        for _ in bundle.packages():
            pass
    return Answer(lambda page: bundle_text(bundle, page), lambda: bundle_data(bundle))


def bundle_verify(
    session: Session,
    file: Annotated[str, Argument(metavar="FILE", help="A bundle; '-' is standard input.")],
    key: Annotated[
        str | None, Option("--key", metavar="KEY", help="Fail unless this public key has signed it.")
    ] = None,
) -> Answer:
    """Every byte is read and compared with its digest; nothing is written."""
    wanted = None if key is None else PublicKey.parse(key)
    session.stage(f"reading {file}")
    with input_file(file) as stream:
        bundle = open_bundle(stream, name_of(file))
        check_bundle(bundle, session, wanted)
    said = "nobody signed it" if bundle.signer is None else f"signed by {bundle.signer}"
    return Answer(lambda _: f"{plain(name_of(file))} is whole; {said}.\n", lambda: bundle_data(bundle))


def _receipt(path: str) -> Receipt:
    with input_file(path) as stream:
        return read_receipt(stream, name_of(path))


def _told(output: str, text: str, data: Callable[[], object]) -> Answer:
    """What was written where; on standard error when standard output holds the file itself."""
    if output != "-":
        return Answer(lambda _: text, data)
    write(standard_error(), text)
    return Answer(lambda _: "", data)
