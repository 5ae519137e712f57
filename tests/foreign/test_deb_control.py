"""What a Debian package says of itself and of others, as moss's metadata."""

from pathlib import Path

import pytest

from moss.capability import Capability
from moss.debian.paragraph import parse_fields
from moss.debian.relations import metadata_of
from moss.errors import CorruptData
from moss.foreign.deb import SCANNED_NEEDS
from moss.package import Metadata, Relations
from solver.formula import parse_formula
from solver.model import AnyOf, Operator, Provide, Relation
from solver.version import Scheme
from tests.foreign.debmaker import CONTROL, Deb, Item, converted


def metadata(fields: str) -> Metadata:
    return metadata_of(parse_fields((CONTROL + fields).encode(), "control"), "control")


def relations(fields: str) -> Relations:
    found = metadata(fields).rich_relations
    assert found is not None
    return found


def test_identity_is_the_packages_own_and_survives_the_stone(tmp_path: Path) -> None:
    fields = (
        "Package: lib+tool2.0\nVersion: 2:1.4~rc1-3+b1\nArchitecture: amd64\nSource: tool-src (1.4)\n"
        "Homepage: https://example.org\nDescription: a tool\n for work\n .\n  verbatim\n"
    )
    deb = Deb([Item("./usr/bin/x", b"x")], fields)
    done, read = converted(deb, tmp_path)
    assert Path(done.stone).name == "lib+tool2.0-2%3a1.4~rc1-3+b1-1-1-x86_64.stone"
    kept = read.stone.metadata
    assert kept == done.metadata
    assert (kept.name, kept.version, kept.release, kept.build_release) == (
        "lib+tool2.0",
        "2:1.4~rc1-3+b1",
        1,
        1,
    )
    assert (kept.architecture, kept.scheme, kept.source_id) == ("x86_64", Scheme.DEB, "tool-src")
    assert (kept.summary, kept.description) == ("a tool", "for work\n\n verbatim")
    assert kept.homepage == "https://example.org"
    assert done.size == Path(done.stone).stat().st_size


@pytest.mark.parametrize(
    ("debian", "ours"),
    [("amd64", "x86_64"), ("all", "noarch"), ("i386", "386"), ("arm64", "aarch64"), ("s390x", "s390x")],
)
def test_architectures_have_mosss_names(debian: str, ours: str) -> None:
    fields = CONTROL.replace("amd64", debian)
    assert metadata_of(parse_fields(fields.encode(), "control"), "control").architecture == ours


def test_needs_keep_versions_alternatives_and_qualifiers() -> None:
    found = relations(
        "Pre-Depends: dpkg (>= 1.15.6)\n"
        "Depends: libc6 (>= 2.36), python3:any (>> 3.11),\n"
        " default-mta | mail-transport-agent, perl:native, debconf (>= 0.5) | debconf-2.0,\n"
        " gcc-i386:i386 (<< 5), same:amd64 (= 1:2-3),\n"
    )
    assert found.depends == (
        Relation("dpkg", Operator.GE, "1.15.6"),
        Relation("libc6", Operator.GE, "2.36"),
        Relation("python3", Operator.GT, "3.11", "any"),
        AnyOf((Relation("default-mta"), Relation("mail-transport-agent"))),
        Relation("perl", arch="native"),
        AnyOf((Relation("debconf", Operator.GE, "0.5"), Relation("debconf-2.0"))),
        Relation("gcc-i386:i386", Operator.LT, "5"),
        Relation("same", Operator.EQ, "1:2-3"),
    )
    assert all(parse_formula(str(formula)) == formula for formula in found.depends)


def test_the_other_fields_keep_their_meaning() -> None:
    found = relations(
        "Recommends: a | b (<= 2)\nProvides: awk, libtool-abi (= 5)\nConflicts: old, older (<< 2)\n"
        "Breaks: broken (<< 3)\nReplaces: broken (<< 3)\nSuggests: nothing\nEnhances: nothing\n"
    )
    assert found.recommends == (AnyOf((Relation("a"), Relation("b", Operator.LE, "2"))),)
    assert found.provides == (Provide("awk"), Provide("libtool-abi", "5"))
    assert found.conflicts == (Relation("old"), Relation("older", Operator.LT, "2"))
    assert found.breaks == (Relation("broken", Operator.LT, "3"),)
    assert found.replaces == (Relation("broken", Operator.LT, "3"),)
    assert not found.supplements


def test_the_obsolete_operators_include_equality() -> None:
    assert relations("Depends: a (< 1), b (> 1)\n").depends == (
        Relation("a", Operator.LE, "1"),
        Relation("b", Operator.GE, "1"),
    )


def test_upstream_reads_the_plain_part() -> None:
    found = metadata(
        "Depends: b (>= 1), a, c | d, python3:any, gcc:i386\nProvides: virtual, other (= 1)\n"
        "Conflicts: virtual, enemy, older (<< 2)\nBreaks: broken (<< 3), gone\n"
    )
    assert found.depends == tuple(map(Capability.parse, ("a", "b", "python3")))
    assert found.provides == tuple(map(Capability.parse, ("other", "virtual")))
    assert found.conflicts == tuple(map(Capability.parse, ("enemy", "gone")))


def test_field_names_are_found_in_any_case_and_comments_are_none() -> None:
    fields = parse_fields(b"pAckage: x\n# comment\nVERSION:1\nLong: a\n b\n\tc\n\n", "control")
    assert (fields["Package"], fields["version"], fields["Long"]) == ("x", "1", "a\n b\n\tc")


def test_what_files_provide_is_added_and_what_they_need_is_recorded_only(tmp_path: Path) -> None:
    library = Path("/lib/x86_64-linux-gnu/libz.so.1")
    if not library.exists():
        library = next(Path("/usr/lib").rglob("lib*.so.*"))
    deb = Deb(
        [Item("./usr/lib/libtool.so.1", library.read_bytes()), Item("./usr/bin/tool", b"x")],
        "Provides: virtual\n",
    )
    _, read = converted(deb, tmp_path)
    kept = read.stone.metadata
    sonames = [capability for capability in kept.provides if str(capability).startswith("soname(")]
    assert sonames
    assert Capability.parse("binary(tool)") in kept.provides
    assert kept.rich_relations is not None
    provided = [provide.name for provide in kept.rich_relations.provides]
    assert provided[0] == "virtual"
    assert {str(sonames[0]), "binary(tool)"} <= set(provided)
    needs = read.stone.attributes[SCANNED_NEEDS].decode().splitlines()
    assert any(need.startswith("soname(libc.so.6(") for need in needs)
    assert not kept.depends
    assert not kept.rich_relations.depends


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("Depends: a (>= )\n", r"Depends: 'a \(>= \)' is no relation"),
        ("Depends: a b\n", "'a b' is no relation"),
        ("Depends: a (=> 1)\n", "is no relation"),
        ("Depends: a (>= 1:)\n", "is not a DEB version"),
        ("Recommends: ,|,\n", "Recommends: '' is no relation"),
        ("Provides: a (>= 1)\n", "only '=' is possible"),
        ("Provides: a | b\n", "is no relation"),
        ("Package: again\n", "line 6: the field 'Package' comes twice"),
        ("no field here\n", "line 6: 'no field here' is no field"),
        ("Homepage: a\x01b\n", "the field 'homepage' holds control characters"),
    ],
)
def test_fields_that_are_wrong_are_named(fields: str, fault: str) -> None:
    with pytest.raises(CorruptData, match=fault) as error:
        metadata(fields)
    assert error.value.remedies


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Package: tool\n", "", "the field 'Package' is missing"),
        ("Package: tool\n", "Package: ../../etc/cron.d/x\n", "'../../etc/cron.d/x', which cannot be one"),
        ("Version: 1.0-1\n", "", "the field 'Version' is missing"),
        ("Version: 1.0-1\n", "Version: one two\n", "is not a DEB version"),
        ("Architecture: amd64\n", "Architecture: \n", "the field 'Architecture' is missing"),
        ("Architecture: amd64\n", "Architecture: a/b\n", "the field 'Architecture' is 'a/b'"),
    ],
)
def test_a_package_without_an_identity_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(CorruptData, match=fault):
        metadata_of(parse_fields(CONTROL.replace(old, new).encode(), "control"), "control")
