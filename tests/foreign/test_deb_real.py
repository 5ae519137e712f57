"""Real Debian packages, compared with what dpkg-deb itself says is in them."""

import posixpath
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from moss.foreign.deb import Converted, convert, convert_all
from moss.layout import EntryKind
from moss.local.tmpfiles import Action, parse_tmpfiles_line
from moss.local.words import Line, Specifiers
from moss.package import Relations
from solver.model import AnyOf, Formula, Operator, Relation
from tests.debian.closure import AptUnavailable, downloaded
from tests.foreign.debmaker import Read, read_stone

PACKAGES = (
    *(
        "base-files",
        "base-passwd",
        "bash",
        "bsdutils",
        "ca-certificates",
        "coreutils",
        "dash",
        "dpkg",
        "gawk",
    ),
    *("libc-bin", "libc6", "libpam-runtime", "login", "mawk", "openssl", "perl-base", "util-linux"),
)
TOPS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def fetched(names: Sequence[str]) -> list[str]:
    try:
        return downloaded(names)
    except AptUnavailable as absent:
        pytest.skip(f"needs real packages: {absent}")


class Real(NamedTuple):
    deb: str
    done: Converted
    read: Read


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Real]:
    """All of PACKAGES, converted, by name."""
    stones = tmp_path_factory.mktemp("stones")
    found = {}
    for done in convert_all(fetched(PACKAGES), str(stones)):
        assert isinstance(done, Converted), done
        found[done.metadata.name] = Real(done.deb, done, read_stone(done.stone))
    assert sorted(found) == sorted(PACKAGES)
    return found


def by_dpkg(deb: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Path to what dpkg-deb would unpack there."""
    members = {}
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar,
    ):
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            members[member.name.removeprefix("./").rstrip("/")] = (member, file.read() if file else b"")
    return members


def field(deb: str, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "--field", deb, name], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_there_with_content_owner_and_mode(real: dict[str, Real], package: str) -> None:
    deb, done, read = real[package]
    members = by_dpkg(deb)
    assert all(path.lstrip("/") in members for notice in done.warnings for path in notice.paths)
    accounted = set()
    for path, (member, content) in members.items():
        if member.isdir() or re.match(r"etc/(init\.d|rc.\.d)/", path):
            continue
        place = path.removeprefix("usr/") if path.startswith("usr/") else path
        if path.startswith(("etc/", "var/")):
            if member.issym():
                assert f"L /{path} - - - - {member.linkname}" in read.lines(package)
                continue
            assert f"C /{path} - - - -" in read.lines(package)
            place = f"share/factory/{path}"
        entry = read.entries[place]
        accounted.add(place)
        if member.issym():
            assert (entry.kind, leads_to(place, entry.link_target)) == (
                EntryKind.SYMLINK,
                leads_to_before(path, member.linkname),
            )
            continue
        if member.islnk():
            member, content = members[member.linkname.removeprefix("./")]
        assert (entry.mode & 0o7777, entry.uid, entry.gid) == (member.mode, member.uid, member.gid)
        assert read.contents[place] == content
    added = {
        path for path, entry in read.entries.items() if entry.kind is not EntryKind.DIRECTORY
    } - accounted
    recipes = (
        "share/factory/etc/",
        f"lib/tmpfiles.d/moss-{package}.conf",
        "bin/awk",
        "bin/nawk",
        "bin/pager",
        "share/moss/triggers/",
    )
    assert all(path.startswith(recipes) for path in added), added


def leads_to(place: str, target: str | None) -> str:
    """Where a link in /usr leads, links of the root skeleton followed."""
    assert target is not None
    path = posixpath.normpath(posixpath.join("/usr", posixpath.dirname(place), target))
    return f"/usr{path}" if path.split("/")[1] in TOPS else path


def leads_to_before(path: str, target: str) -> str:
    """Where the link in the package leads on a root whose /usr is not merged, in words of one that is."""
    there = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
    return f"/usr{there}" if there.split("/")[1] in TOPS else there


@pytest.mark.parametrize("package", PACKAGES)
def test_relations_are_those_of_the_control_file(real: dict[str, Real], package: str) -> None:
    deb, done, read = real[package]
    relations = done.metadata.rich_relations
    assert isinstance(relations, Relations)
    assert read.stone.metadata == done.metadata
    needs = [*clauses(field(deb, "Pre-Depends")), *clauses(field(deb, "Depends"))]
    assert [debian_text(formula) for formula in relations.depends] == list(dict.fromkeys(needs))
    for name in ("conflicts", "breaks", "replaces", "recommends"):
        written = [debian_text(formula) for formula in getattr(relations, name)]
        assert written == clauses(field(deb, name.capitalize())), name
    provided = [str(provide) for provide in relations.provides]
    assert provided[: len(clauses(field(deb, "Provides")))] == clauses(field(deb, "Provides"))
    assert (done.metadata.name, done.metadata.version) == (field(deb, "Package"), field(deb, "Version"))


def clauses(text: str) -> list[str]:
    return [" | ".join(part.strip() for part in one.split("|")) for one in text.split(",") if one.strip()]


def debian_text(formula: Formula) -> str:
    """A relation in Debian's own words."""
    if isinstance(formula, AnyOf):
        return " | ".join(debian_text(part) for part in formula.parts)
    assert isinstance(formula, Relation)
    name = formula.name if formula.arch is None else f"{formula.name}:{formula.arch}"
    if formula.operator is None:
        return name
    sign = {Operator.LT: "<<", Operator.GT: ">>"}.get(formula.operator, formula.operator.value)
    return f"{name} ({sign} {formula.version})"


def test_what_the_systems_first_packages_need_is_in_the_factory(real: dict[str, Real]) -> None:
    def factory(package: str, path: str) -> bytes:
        return real[package].read.contents[f"share/factory{path}"]

    assert factory("base-passwd", "/etc/passwd").startswith(b"root:")
    assert factory("base-passwd", "/etc/group").startswith(b"root:")
    assert b"passwd:" in factory("libc-bin", "/etc/nsswitch.conf")
    assert b"pam_unix.so" in factory("libpam-runtime", "/etc/pam.d/common-auth")
    assert b"PATH" in factory("base-files", "/etc/profile")
    bundle = factory("ca-certificates", "/etc/ssl/certs/ca-certificates.crt")
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") > 100
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") == bundle.count(b"-----END CERTIFICATE-----\n")


def test_no_recipe_has_grown_too_old(real: dict[str, Real]) -> None:
    said = [
        str(notice) for one in real.values() for notice in one.done.warnings if notice.kind.value == "recipe"
    ]
    assert not said


def test_the_loader_provides_what_upstreams_programs_ask_for(real: dict[str, Real]) -> None:
    provided = {str(capability) for capability in real["libc6"].done.metadata.provides}
    assert {
        "soname(libc.so.6(x86_64))",
        "soname(ld-linux-x86-64.so.2(x86_64))",
        "interpreter(/usr/lib64/ld-linux-x86-64.so.2(x86_64))",
    } <= provided
    assert "soname(libcrypto.so.3(x86_64))" not in provided


def test_mosss_own_applier_reads_every_line(real: dict[str, Real]) -> None:
    for package, one in real.items():
        for text in one.read.lines(package):
            line = parse_tmpfiles_line(Line("x.conf", 1, text), Specifiers())
            assert line.action in (Action.DIRECTORY, Action.LINK, Action.COPY)


def test_a_real_package_gives_the_same_bytes_again(real: dict[str, Real], tmp_path: Path) -> None:
    again = convert(real["util-linux"].deb, str(tmp_path))
    assert again.digest == real["util-linux"].done.digest
