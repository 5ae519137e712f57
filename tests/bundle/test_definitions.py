"""What subscriptions mean goes with a bundle: the receiver plans and explains as the exporter does, offline."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from moss.bundle.manifest import decode_manifest
from moss.bundle.read import open_bundle
from moss.errors import CorruptData
from moss.indexing import index
from moss.stone.container import Place
from solver.values import replace
from tests.builders import metadata, write_package
from tests.bundle.conftest import Moss, done

FROM_REPOSITORY = """
subscription "32bit" { when { all "driver" { any "steam" "wine" } }; want "driver-32" }
subscription "docs" { default #true; paths "share/doc/**" }
subscription "mine" { want "driver" }
"""
OF_THE_ADMIN = 'subscription "mine" { default #false; want "wine" }\n'


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Of a system `a` whose driver came by a subscription, and that leaves documentation out."""
    repository, a = tmp_path / "repository", tmp_path / "a"
    for name in ("driver", "steam", "wine", "driver-32"):
        write_package(repository, metadata(name, "1"), {f"bin/{name}": name, f"share/doc/{name}/README": name})
    (repository / "subscriptions").mkdir()
    (repository / "subscriptions/all.kdl").write_text(FROM_REPOSITORY)
    index(str(repository))
    admin = a / "etc/moss/subscriptions"
    admin.mkdir(parents=True)
    (admin / "mine.kdl").write_text(OF_THE_ADMIN)
    done("-D", a, "-q", "repo", "add", "main", repository / "stone.index", "--unsigned")
    done("-D", a, "-q", "install", "-y", "driver", "steam")
    done("-D", a, "-q", "unsubscribe", "docs", "-y")
    done("-D", a, "-q", "export", "-o", tmp_path / "bundle")
    shutil.rmtree(repository)
    return tmp_path / "bundle"


def told(moss: Moss, root: Path) -> list[dict[str, object]]:
    keys = ("name", "on", "because", "leaves_out", "saves_bytes", "brings")
    return [{key: one[key] for key in keys} for one in listed(moss, root).values()]


def listed(moss: Moss, root: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(moss("-D", root, "subscriptions", "--json").out)["data"]}


def test_the_receiver_knows_what_subscriptions_mean(bundle: Path, tmp_path: Path, moss: Moss) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    assert moss("-D", b, "sync", "--from", bundle, "--unsigned", "-y").exit_code == 0
    assert len(told(moss, b)) == 3 and told(moss, b) == told(moss, a)
    assert moss("-D", b, "why", "driver-32").out == moss("-D", a, "why", "driver-32").out
    assert "the subscription 32bit wants driver-32" in moss("-D", b, "why", "driver-32").out
    plan = json.loads(moss("-D", b, "sync", "-n", "--json").out)["data"]["plan"]
    assert plan is None or not (plan["installs"] or plan["changes"] or plan["removals"]), plan
    gone = " ".join(moss("-D", b, "remove", "steam", "-n").out.split())
    assert "driver-32 1-1 the subscription 32bit no longer wants it: steam is gone" in gone


def test_the_receivers_own_go_before(bundle: Path, tmp_path: Path, moss: Moss) -> None:
    b = tmp_path / "b"
    own = b / "etc/moss/subscriptions"
    own.mkdir(parents=True)
    (own / "x.kdl").write_text('subscription "mine" { default #false; want "steam" }\n')
    assert moss("-D", b, "sync", "--from", bundle, "--unsigned", "-y").exit_code == 0
    found = listed(moss, b)
    assert found["mine"]["origin"] == str(own / "x.kdl") and found["docs"]["origin"] == "bundle that was taken last"
    (own / "x.kdl").unlink()
    assert listed(moss, b)["mine"]["because"] == "off until you say otherwise"  # as its admin has it


def test_what_is_no_text_of_definitions_is_refused(bundle: Path) -> None:
    with bundle.open("rb") as file:
        manifest = open_bundle(file, "b", lambda _: None).manifest
    assert [name for name, _ in manifest.definitions] == ["admin/mine.kdl", "main/all.kdl"]
    place = Place("b", 0, "manifest")
    assert decode_manifest(manifest.encode(), place) == manifest
    for definitions in ((("", "x" * ((1 << 20) + 1)),), (("a\x1b", ""),)):
        with pytest.raises(CorruptData):
            decode_manifest(replace(manifest, definitions=definitions).encode(), place)
