"""pack, index, convert: for makers of packages."""

from typing import Annotated

from moss.architecture import native_architecture
from moss.cli.as_json import package_data
from moss.cli.parameters import Argument, Option
from moss.cli.session import Answer, Session
from moss.cli.signing import known_content_ids, sign_index, signed_data, signed_line, signing_keys
from moss.cli.text import Page, count, plain, size
from moss.errors import MossError
from moss.foreign.deb import Converted, Failed, convert_all
from moss.indexing import index as index_directory
from moss.package import Metadata
from moss.packing import Packed
from moss.packing import pack as pack_tree
from moss.relation_texts import LISTS, texts_of
from moss.said_relations import relations_said, with_relations

_CAPABILITY, _RELATION, _FORMULA = "CAPABILITY", "RELATION", "FORMULA"


def pack(
    session: Session,
    tree: Annotated[str, Argument(metavar="DIR", help="Holds `usr`, and nothing beside it.")],
    name: Annotated[str, Option("--name", metavar="NAME", help="The package's name.")],
    version: Annotated[str, Option("--version", metavar="VERSION", help="As its maker gives it.")],
    release: Annotated[
        int, Option("--release", metavar="N", min=1, help="Counts packages of one version.")
    ] = 1,
    build_release: Annotated[
        int, Option("--build-release", metavar="N", min=1, help="Counts builds of one release.")
    ] = 1,
    architecture: Annotated[
        str | None,
        Option(
            "--architecture", metavar="ARCH", help="The machine's own when left out; noarch for any."
        ),
    ] = None,
    summary: Annotated[str, Option("--summary", metavar="TEXT", help="In a line.")] = "",
    description: Annotated[str, Option("--description", metavar="TEXT", help="At length.")] = "",
    homepage: Annotated[str, Option("--homepage", metavar="URL", help="Where it comes from.")] = "",
    licenses: Annotated[
        list[str] | None, Option("--license", metavar="SPDX", help="May be given several times.")
    ] = None,
    depends: Annotated[
        list[str] | None, Option("--depends", metavar=_FORMULA, help="What it needs; each of these several times.")
    ] = None,
    recommends: Annotated[
        list[str] | None, Option("--recommends", metavar=_FORMULA, help="What is wanted with it.")
    ] = None,
    supplements: Annotated[
        list[str] | None, Option("--supplements", metavar=_FORMULA, help="With what it is wanted.")
    ] = None,
    provides: Annotated[
        list[str] | None, Option("--provides", metavar=_CAPABILITY, help="What it offers, perhaps '(= VERSION)'.")
    ] = None,
    conflicts: Annotated[
        list[str] | None, Option("--conflicts", metavar=_RELATION, help="What may not be there with it.")
    ] = None,
    breaks: Annotated[
        list[str] | None, Option("--breaks", metavar=_RELATION, help="What does not work with it any more.")
    ] = None,
    replaces: Annotated[
        list[str] | None, Option("--replaces", metavar=_RELATION, help="Whose place it takes.")
    ] = None,
    output: Annotated[str, Option("--output", "-o", metavar="DIR", help="Where the stone goes.")] = ".",
) -> Answer:
    """Writes NAME-VERSION-RELEASE-BUILD-ARCH.stone. What the files offer and need (libraries,
    programs, interpreters, pkg-config, CMake and Python modules) is found by scanning and added. A
    capability is a name or kind(name), such as 'binary(git)'; a relation is one, perhaps with a range of versions:
    'lib (>= 2)'; a formula is one relation, or several: 'lib (>= 2) | other'."""
    session.when_interrupted(lambda: "no stone was written")
    metadata = Metadata(
        name,
        version,
        release,
        build_release,
        architecture or native_architecture(),
        summary=summary,
        description=description,
        homepage=homepage,
        licenses=tuple(licenses or ()),
    )
    relations = relations_said({
        "depends": depends or (), "recommends": recommends or (), "supplements": supplements or (),
        "provides": provides or (), "conflicts": conflicts or (), "breaks": breaks or (), "replaces": replaces or (),
    })  # fmt: skip
    session.stage(f"packing {tree}")
    packed = pack_tree(tree, with_relations(metadata, relations), output)
    for note in packed.notes:
        session.warning(note)
    return Answer(
        lambda _: f"{plain(packed.path)}: {count(packed.entries, 'path')}, {size(packed.content_size)}\n",
        lambda: _packed_data(packed),
    )


def _packed_data(packed: Packed) -> dict[str, object]:
    said = texts_of(packed.metadata.relations)
    return {
        "stone": packed.path,
        "digest": packed.digest,
        "package": package_data(packed.metadata),
        **{word: said.get(word, []) for word in LISTS},
        "entries": packed.entries,
        "content_bytes": packed.content_size,
    }


def index(
    session: Session,
    folder: Annotated[str, Argument(metavar="DIR", help="Holds stones, perhaps in directories.")],
    keys: Annotated[
        list[str] | None,
        Option("--key", metavar="NAME", help="Sign it with this key of the system's; several times."),
    ] = None,
) -> Answer:
    """Writes DIR/stone.index, which `repo add` reads, with what DIR/subscriptions/*.kdl defines, and with --key
    what its users verify it by: DIR/tuf. A repository that was not signed before gets a root in which these
    keys have every role; `trust init` gives them roles of their own."""
    session.when_interrupted(lambda: "the index is as it was")
    session.stage(f"indexing {folder}")
    signing = signing_keys(session, folder, keys or ())
    indexed = index_directory(folder, known_content_ids(folder) if signing else None)
    for note in indexed.notes:
        session.warning(note)
    signed = sign_index(session, folder, signing) if signing else None
    said = "" if signed is None else signed_line(signed)
    defined = f", {count(len(indexed.subscriptions), 'subscription')}" if indexed.subscriptions else ""
    return Answer(
        lambda _: f"{plain(indexed.path)}: {count(len(indexed.published), 'package')}{defined}\n{said}",
        lambda: {
            "index": indexed.path,
            "subscriptions": list(indexed.subscriptions),
            "signed": None if signed is None else signed_data(signed),
            "packages": [
                package_data(one.metadata)
                | {"uri": one.uri, "digest": one.digest, "download_bytes": one.size}
                for one in indexed.published
            ],
        },
    )


def convert(
    session: Session,
    files: Annotated[list[str], Argument(metavar="FILE.deb…", help="Debian packages.")],
    output: Annotated[str, Option("--output", "-o", metavar="DIR", help="Where the stones go.")] = ".",
    jobs: Annotated[
        int | None,
        Option("--jobs", "-j", metavar="N", min=1, help="As many at once; one a core when left out."),
    ] = None,
) -> Answer:
    """Nothing of a package is run. What cannot be carried over is said for each. Where a package
    cannot be converted the others still are, and the command fails."""
    session.when_interrupted(lambda: f"the stones that are in {output} are whole")
    session.stage(f"converting {count(len(files), 'package')}")
    converted: list[Converted] = []
    failed: list[Failed] = []
    for done in convert_all(files, output, jobs=jobs):
        if isinstance(done, Failed):
            failed.append(done)
        else:
            converted.append(done)
            for notice in done.warnings:
                session.warning(f"{done.metadata.name}: {notice}")
        session.progress(len(converted) + len(failed), len(files), "packages")
    if failed:
        raise _failure(failed, len(files))
    converted.sort(key=lambda one: one.stone)
    return Answer(
        lambda page: converted_text(converted, page),
        lambda: [
            {
                "deb": one.deb,
                "stone": one.stone,
                "digest": one.digest,
                "stone_bytes": one.size,
                "package": package_data(one.metadata),
                "left_out": [
                    {"kind": notice.kind.value, "message": notice.message, "paths": list(notice.paths)}
                    for notice in one.warnings
                ],
            }
            for one in converted
        ],
    )


def converted_text(converted: list[Converted], page: Page) -> str:
    lines = [f"{plain(one.stone)}: {size(one.size)}\n" for one in converted] if page.verbose else []
    total = sum(one.size for one in converted)
    return "".join(lines) + f"{count(len(converted), 'package')} converted, {size(total)}.\n"


def _failure(failed: list[Failed], asked: int) -> MossError:
    """The one fault, or all of them under the exit code of the first."""
    first = failed[0].error
    if len(failed) == 1 == asked:
        return first
    return type(first)(
        f"{len(failed)} of {count(asked, 'package')} could not be converted",
        because=[one.error.message for one in failed],
        remedies=first.remedies,
    )
