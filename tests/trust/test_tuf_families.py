"""tests/tuf_client by the families of cases that TUF's client workflow has (section 5 of the specification): what is
asked for, what is trusted after a refresh that failed, rollback and its recovery, keys and thresholds, expiry,
delegations, names, targets."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import pytest
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey
from tuf.api.metadata import Metadata

from moss.trust import new_key
from moss.tuf.folder import KeySigner
from tests.simulator import Server
from tests.trust.site import CLIENT, Client, Site

ALL = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
Case = TypeVar("Case")
FIRST = ["2.root", "timestamp", "1.snapshot", "1.targets"]
"""What is asked for where nothing but the root is known."""


def sample(cases: Iterable[Case]) -> list[Case]:
    """Every third among the quick tests."""
    return list(cases) if os.environ.get("MOSS_SLOW") else list(cases)[::3]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    site = Site(tmp_path / "site")
    with Server(tmp_path / "site") as server:
        yield Client(site, server, tmp_path)


def keys(count: int) -> list[Signer]:
    return [KeySigner(new_key()) for _ in range(count)]


# What is asked for, and what is trusted.


def test_whoever_downloads_refreshes_first(client: Client) -> None:
    assert client.download("nothing of that name") == 1
    assert client.asked() == FIRST and client.versions() == ALL


def _without_version(root: Any) -> None:
    del root["signed"]["version"]


def _signed_by_nobody(root: Any) -> None:
    root["signatures"][0]["sig"] = "00" * 64


@pytest.mark.parametrize("change", [_without_version, _signed_by_nobody])
def test_from_a_bad_root_nothing_is_begun(change: Callable[[Any], None], client: Client) -> None:
    path = client.trusted / "root.json"
    root = json.loads(path.read_bytes())
    change(root)
    path.write_text(json.dumps(root))
    assert client.refresh() == 1 and client.asked() == []


@pytest.mark.parametrize(
    ("role", "trusted"),
    [("root", 1), ("timestamp", 1), ("snapshot", 2), ("targets", 3)],
)
def test_what_is_verified_before_a_bad_role_is_kept(role: str, trusted: int, client: Client) -> None:
    site = client.site
    site.signers[role] = keys(1)
    if role == "root":
        site.next_root()
    site.publish()
    assert client.refresh() == 1
    assert list(client.versions()) == list(ALL)[:trusted]


def test_another_timestamp_of_the_same_number_is_not_taken(client: Client) -> None:
    assert client.refresh() == 0
    before = (client.trusted / "timestamp.json").read_bytes()
    client.site.snapshot.version = 100
    client.site.publish()
    client.asked()
    assert client.refresh() == 0
    assert client.asked() == FIRST[:2] and (client.trusted / "timestamp.json").read_bytes() == before


def test_what_no_snapshot_names_is_not_asked_for(client: Client) -> None:
    assert client.refresh() == 0
    site = client.site
    site.write("2.targets", site.said, site.signers["targets"])
    client.asked()
    assert client.refresh() == 0 and client.asked() == FIRST[:2]


def test_fields_that_nobody_knows_are_signed_too(client: Client) -> None:
    root = client.site.root
    root.unrecognized_fields["custom"] = {"a": [1, "ü"]}
    for key in root.keys.values():
        key.unrecognized_fields["more"] = "x"
    root.roles["root"].unrecognized_fields["other"] = None
    client.site.next_root()
    assert client.refresh() == 0 and client.versions()["root"] == 2


def test_without_consistent_snapshots_names_have_no_numbers(client: Client) -> None:
    site = client.site
    site.root.consistent_snapshot = False
    site.next_root()
    site.offer("dir/file", b"content")
    part = site.delegate("part", ["p/*"])
    site.offer("p/file", b"part", part)
    site.next()
    assert (client.download("dir/file"), client.download("p/file")) == (0, 0)
    assert client.asked() == [
        "2.root", "3.root", "timestamp", "snapshot", "targets", "file", "3.root", "timestamp", "part", "file",
    ]  # fmt: skip
    assert sorted(client.contents()) == [b"content", b"part"]


# Rollback, and the way out of a number that is too high.


@pytest.mark.parametrize("with_hashes", [False, True])
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_an_older_one_is_not_taken_though_a_new_timestamp_leads_to_it(
    role: str, with_hashes: bool, client: Client
) -> None:
    site = client.site
    site.with_hashes = with_hashes
    site.next()
    assert client.refresh() == 0
    site.timestamp.version += 1
    signed = site.snapshot if role == "snapshot" else site.said
    if role == "targets":
        site.snapshot.version += 1
    signed.version -= 1
    site.publish()
    assert client.refresh() == 1
    assert client.versions()[role] == 2


def test_an_older_snapshot_under_the_same_timestamp_is_not_even_asked_for(client: Client) -> None:
    site = client.site
    site.next()
    assert client.refresh() == 0
    site.write("2.snapshot", site.snapshot, keys(1))
    client.asked()
    assert client.refresh() == 0 and client.asked() == FIRST[:2]


@pytest.mark.parametrize(
    ("role", "rotated"),
    [("timestamp", ("timestamp",)), ("snapshot", ("snapshot", "timestamp")), ("targets", ("snapshot",))],
)
def test_who_rotates_keys_may_begin_to_count_anew(role: str, rotated: tuple[str, ...], client: Client) -> None:
    site = client.site
    signed = {"timestamp": site.timestamp, "snapshot": site.snapshot, "targets": site.said}[role]
    site.next()
    signed.version = 9_999
    site.publish()
    assert client.refresh() == 0 and client.versions()[role] == 9_999
    for other in rotated:
        site.rotate(other)
    for other in (site.timestamp, site.snapshot, site.said):
        other.version += 1
    signed.version = 1
    site.publish()
    assert client.refresh() == 0 and client.versions()[role] == 1


# Keys and thresholds.


class Root(NamedTuple):
    """Who may sign a root, how many must, and who does: by numbers."""

    keys: str
    threshold: int
    signed_by: str


ROOTS: dict[str, tuple[list[Root], bool]] = {
    "one key, then another": ([Root("1", 1, "1"), Root("2", 1, "12"), Root("2", 1, "2")], True),
    "strangers sign beside them": ([Root("1", 1, "319"), Root("2", 1, "3129"), Root("2", 1, "329")], True),
    "any three of five": ([Root("01234", 3, who) for who in ("024", "041", "013", "234")], True),
    "one of five goes": ([Root("01234", 3, "024"), Root("01345", 3, "041")], True),
    "one of five goes, by a step": (
        [Root("01234", 3, "024"), Root("01345", 3, "0245"), Root("01345", 3, "045")], True,
    ),
    "all five go": ([Root("01234", 3, "024"), Root("56789", 3, "024567"), Root("56789", 3, "567")], True),
    "more must sign": ([Root("123", 1, "1"), Root("123", 2, "12")], True),
    "fewer must sign": ([Root("123", 2, "12"), Root("123", 1, "12"), Root("123", 1, "1")], True),
    "a second key comes and must sign": ([Root("1", 1, "1"), Root("12", 2, "12")], True),
    "not by the old key": ([Root("1", 1, "1"), Root("2", 1, "234")], False),
    "not by the new key": ([Root("1", 1, "1"), Root("2", 1, "134")], False),
    "not by three of the new": ([Root("01234", 3, "024"), Root("01345", 3, "024")], False),
    "not by three of the old": ([Root("01234", 3, "024"), Root("01345", 3, "045")], False),
    "not by as many as it wants itself": ([Root("123", 1, "1"), Root("123", 2, "2")], False),
    "not by as many as the old one wants": ([Root("123", 2, "12"), Root("123", 1, "1")], False),
    "one signs twice": ([Root("123", 2, "12"), Root("123", 2, "11")], False),
}  # fmt: skip


@pytest.mark.slow_too
@pytest.mark.parametrize(("roots", "is_right"), sample(ROOTS.values()), ids=sample(ROOTS))
def test_roots_must_be_signed_by_the_old_and_by_the_new(roots: list[Root], is_right: bool, client: Client) -> None:
    site, people = client.site, keys(10)
    site.root.version = 0
    for said in roots:
        site.let("root", [people[int(one)] for one in said.keys], said.threshold)
        site.next_root([people[int(one)] for one in said.signed_by])
    client.run("init", site.metadata / "1.root.json")
    assert client.refresh() == (0 if is_right else 1)
    newest = len(roots) if is_right else len(roots) - 1
    assert (client.trusted / "root.json").read_bytes() == (site.metadata / f"{newest}.root.json").read_bytes()


@pytest.mark.slow_too
@pytest.mark.parametrize("role", sample(["snapshot", "timestamp", "targets"]))
@pytest.mark.parametrize(
    ("may", "threshold", "signed_by", "code"),
    [("2", 1, "2", 0), ("1", 1, "319", 0), ("2", 1, "134", 1), ("01345", 3, "024", 1), ("01345", 3, "04", 1),
     ("01234", 3, "413", 0), ("01234", 2, "11", 1)],
)  # fmt: skip
def test_each_role_must_be_signed_by_as_many_as_the_root_says(
    role: str, may: str, threshold: int, signed_by: str, code: int, client: Client
) -> None:
    site, people = client.site, keys(10)
    site.let(role, [people[int(one)] for one in may], threshold)
    site.signers[role] = [people[int(one)] for one in signed_by]
    site.next_root()
    site.publish()
    assert client.refresh() == code
    assert (role in client.versions()) == (code == 0)


def test_one_key_under_many_names_is_one(client: Client) -> None:
    site = client.site
    (signer,) = site.signers["snapshot"]
    for number in range(4):
        key = signer.public_key
        site.root.add_key(SSlibKey(f"{number:064x}", key.keytype, key.scheme, key.keyval), "snapshot")
    site.root.roles["snapshot"].threshold = 3
    site.next_root()
    metadata = Metadata(site.snapshot)
    signature = metadata.sign(signer)
    for keyid in site.root.roles["snapshot"].keyids:
        metadata.signatures[keyid] = type(signature)(keyid, signature.signature)
    site.snapshot.version = 2
    content = metadata.to_bytes()
    (site.metadata / "2.snapshot.json").write_bytes(content)
    assert client.refresh() == 1 and "snapshot" not in client.versions()


KINDS = [CryptoSigner.generate_rsa, CryptoSigner.generate_ecdsa, CryptoSigner.generate_ed25519]


@pytest.mark.parametrize("make", KINDS)
def test_keys_may_be_of_any_kind_that_the_specification_names(make: Callable[[], Signer], client: Client) -> None:
    site, signer = client.site, make()
    site.let("root", [*site.signers["root"], signer], 2)
    site.next_root()
    assert client.refresh() == 0 and client.versions()["root"] == 2
    site.next_root()
    path = site.metadata / "3.root.json"
    root = json.loads(path.read_bytes())
    (mine,) = [one for one in root["signatures"] if one["keyid"] == signer.public_key.keyid]
    mine["sig"] = mine["sig"][:-8] + f"{int(mine['sig'][-8:], 16) ^ 1:08x}"
    path.write_text(json.dumps(root))
    assert client.refresh() == 1 and client.versions()["root"] == 2


# Expiry.


def test_what_is_known_may_have_expired_where_something_newer_has_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, now = client.site, datetime.now(UTC).replace(microsecond=0)
    site.timestamp.expires = now + timedelta(days=7)
    site.publish()
    assert client.refresh() == 0
    monkeypatch.setattr(CLIENT.time, "time", lambda: (now + timedelta(days=18)).timestamp())
    assert client.refresh() == 1
    site.timestamp.expires = now + timedelta(days=21)
    site.next()
    assert client.refresh() == 0 and client.versions()["targets"] == 2


def test_a_delegated_role_that_has_expired_says_nothing(client: Client) -> None:
    site = client.site
    part = site.delegate("part", ["*"])
    site.offer("file", b"content", part)
    part.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    site.next()
    assert client.download("file") == 1 and client.contents() == [] and "part" not in client.versions()


# Delegations.


class Graph(NamedTuple):
    """Who delegates to whom, `*` being the targets: `A:B` all paths, `A:B!` and nobody after B, `A:B?` only *.py."""

    edges: str
    visited: str


GRAPHS = {
    "one": Graph("*:A", "A"),
    "two": Graph("*:A *:B", "AB"),
    "of the second": Graph("*:A *:B B:C", "ABC"),
    "depth first": Graph("*:A *:B A:C A:D", "ACDB"),
    "deeper first": Graph("*:A *:B A:C C:D", "ACDB"),
    "an end": Graph("*:A *:B A:C! A:D", "AC"),
    "an end and its own": Graph("*:A *:B A:C! C:D", "ACD"),
    "an end that is not for this path": Graph("*:A *:B?! A:C?! *:D", "AD"),
    "another path": Graph("*:A? *:B A:C", "B"),
    "another path below": Graph("*:A *:B A:C? C:D", "AB"),
    "a circle": Graph("*:A *:B B:C C:D D:B", "ABCD"),
    "who delegates to itself": Graph("*:A A:A *:B", "AB"),
    "two to a third": Graph("*:A *:B B:C A:C", "ACB"),
    "two to a third, one for this path": Graph("*:A *:B B:C A:C?", "ABC"),
}


@pytest.mark.slow_too
@pytest.mark.parametrize("graph", sample(GRAPHS.values()), ids=sample(GRAPHS))
def test_roles_are_asked_in_the_order_in_which_they_are_delegated_to(graph: Graph, client: Client) -> None:
    site = client.site
    for edge in graph.edges.split():
        delegator, to = edge[0], edge[2]
        by = None if delegator == "*" else site.delegated[delegator]
        site.delegate(to, ["*.py" if "?" in edge else "*"], by, terminating="!" in edge)
    site.publish()
    assert client.download("missing") == 1
    assert client.asked() == [*FIRST, *(f"1.{role}" for role in graph.visited)]


@pytest.mark.parametrize(
    ("path", "visited", "content"),
    [("file", "", b"own"), ("README.md", "A", b"A's"), ("releases/x/x1", "BC", b"C's"),
     ("releases/y/y1.zip", "BD", b"D's"), ("releases/z/z1.zip", "B", None), ("releases/x/deep/x", "", None)],
)  # fmt: skip
def test_a_role_speaks_for_the_paths_alone_that_all_above_it_gave_it(
    path: str, visited: str, content: bytes | None, client: Client
) -> None:
    site = client.site
    a = site.delegate("A", ["*.doc", "*.md"])
    b = site.delegate("B", ["releases/*/*"])
    c = site.delegate("C", ["releases/x/*"], b)
    d = site.delegate("D", ["releases/y/*.zip"], b)
    for name, by, text in (
        ("file", None, b"own"), ("README.md", a, b"A's"), ("releases/x/x1", c, b"C's"), ("releases/x/deep/x", c, b"!"),
        ("releases/y/y1.zip", d, b"D's"), ("releases/z/z1.zip", d, b"!"),
    ):  # fmt: skip
        site.offer(name, text, by)
    site.publish()
    assert client.download(path) == (1 if content is None else 0)
    assert client.contents() == ([] if content is None else [content])
    asked = client.asked()[len(FIRST) :]
    assert [one for one in asked if len(one) == 3] == [f"1.{role}" for role in visited]


def test_paths_may_be_delegated_by_their_digests(client: Client) -> None:
    site = client.site
    digest = sha256(b"a/file").hexdigest()
    ours = site.delegate("ours", None, prefixes=[digest[:2]])
    site.offer("a/file", b"content", ours)
    site.publish()
    assert client.download("a/file") == 0 and client.contents() == [b"content"]
    other = next(f"f{n}" for n in range(1000) if sha256(f"f{n}".encode()).hexdigest()[:2] != digest[:2])
    site.offer(other, b"not ours to say", ours)
    site.next()
    assert client.download(other) == 1


@pytest.mark.parametrize("bits", [1, 3, 10])
def test_paths_may_be_delegated_to_bins(bits: int, client: Client) -> None:
    site = client.site
    bins = site.delegate_to_bins(bits)
    path = "dir/file"
    number = int(sha256(path.encode()).hexdigest()[:8], 16) >> (32 - bits)
    name = sorted(bins)[number]
    site.offer(path, b"content", bins[name])
    site.publish()
    assert client.download(path) == 0 and client.contents() == [b"content"]
    assert client.asked()[4] == f"1.{name}"


@pytest.mark.parametrize("name", ["?", "#", "/part", "../part", "a b%", "ü"])
def test_names_of_roles_are_quoted_wherever_they_go(name: str, client: Client, tmp_path: Path) -> None:
    part = client.site.delegate(name, ["*"])
    client.site.offer("file", b"content", part)
    client.site.publish()
    before = set(tmp_path.iterdir())
    assert client.download("missing") == 1 and client.asked()[4] == f"1.{quote(name, '')}"
    assert len(client.versions()) == 5
    assert client.download("file") == 0 and client.contents() == [b"content"]
    assert set(tmp_path.iterdir()) == before | {client.got}


def test_delegated_roles_are_not_fetched_again(client: Client) -> None:
    client.site.delegate("part", ["*"])
    client.site.publish()
    for expected in ([*FIRST, "1.part"], FIRST[:2]):
        assert client.download("missing") == 1 and client.asked() == expected


# Targets.


@pytest.mark.parametrize("path", ["file", "dir/deep/file", "a b+c.txt", "ü/ö", "x..y", "~a=b&c;d"])
def test_names_of_targets_may_be_any(path: str, client: Client) -> None:
    client.site.offer(path, b"content")
    client.site.publish()
    assert client.download(path) == 0 and client.contents() == [b"content"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_target_is_known_by_any_digest(algorithm: str, client: Client) -> None:
    client.site.offer("file", b"right", algorithm=algorithm)
    client.site.publish()
    assert client.download("file") == 0
    next(client.got.iterdir()).unlink()
    (file,) = client.site.targets.iterdir()
    file.write_bytes(b"wrong")
    assert client.download("file") == 1 and client.contents() == []


def test_two_targets_of_one_last_name_are_two(client: Client) -> None:
    client.site.offer("a/file", b"first")
    client.site.offer("b/file", b"second")
    client.site.publish()
    assert (client.download("a/file"), client.download("b/file")) == (0, 0)
    assert sorted(client.contents()) == [b"first", b"second"]


def test_a_target_follows_what_is_signed_through_many_changes(client: Client) -> None:
    site = client.site
    for number in range(6):
        site.offer("file", b"content %d" % number)
        site.next()
        if number % 2 == 0:
            assert client.download("file") == 0 and client.contents() == [b"content %d" % number]
        for path in site.targets.iterdir():
            path.write_bytes(b"malicious")
        client.download("file")
        assert b"malicious" not in client.contents()


def test_a_target_that_is_longer_than_signed_is_not_read_to_its_end(client: Client) -> None:
    client.site.offer("file", b"content")
    client.site.publish()
    (file,) = client.site.targets.iterdir()
    file.write_bytes(b"content" + bytes(50_000_000))
    assert client.download("file") == 1 and client.contents() == []
    assert client.server.sent[f"targets/{file.name}"] < 10_000_000
