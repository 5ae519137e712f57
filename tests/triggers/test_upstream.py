"""Upstream's world example of a trigger file, as it is: read, inhibited where it says so, and run where it may."""

from pathlib import Path

import pytest

from moss.db.triggers import runs_of
from moss.operations.verify import verify
from moss.root import GenerationId
from tests.builders import Content, Dir, File
from tests.triggers.shells import needs_busybox
from tests.triggers.worlds import World

EXAMPLE = Path(__file__).parents[3] / "shared/data/upstream-trigger.yml"
DEPMOD = """#!/usr/bin/sh
set -e
echo "$@" >> /usr/lib/modules/said
busybox find "/usr/lib/modules/$2/kernel" -type f > "/usr/lib/modules/$2/modules.dep"
"""
PLACE = "share/moss/triggers/tx.d/upstream.yml"

pytestmark = [needs_busybox, pytest.mark.skipif(not EXAMPLE.exists(), reason="../shared is not here")]


def kernel(version: str, *modules: str) -> dict[str, Content]:
    files: dict[str, Content] = {f"lib/modules/{version}/kernel/{name}": name for name in modules}
    return {f"lib/modules/{version}/kernel": Dir(), **files}


def modules(world: World) -> dict[str, str]:
    place = world.root / "usr/lib/modules"
    return {str(path.relative_to(place)): path.read_text() for path in sorted(place.glob("*/modules.dep"))}


def test_it_runs_once_for_each_kernel_and_only_where_it_may(world: World, tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    world.publish("upstream", {PLACE: text, "sbin/depmod": File(DEPMOD.encode(), 0o755)})
    world.publish("linux-6.1", kernel("6.1", "a.ko", "b.ko"))
    world.publish("linux-6.2", {**kernel("6.2", "a.ko"), "lib/modules/6.3/kernel": "a file is not what it is about"})
    world.refresh()
    (run,) = (one for one in world.install("upstream", "linux-6.1").triggers if one.name == "depmod")
    assert (run.outcome, run.output) == ("inhibited", "the environment is chroot")
    assert modules(world) == {}
    admins = world.root / "etc/moss/triggers/tx.d/upstream.yml"
    admins.parent.mkdir(parents=True)
    admins.write_text(text.replace("        - chroot\n", ""))
    world.install("linux-6.2")
    assert modules(world) == {
        "6.1/modules.dep": "".join(f"/usr/lib/modules/6.1/kernel/{name}.ko\n" for name in "ab"),
        "6.2/modules.dep": "/usr/lib/modules/6.2/kernel/a.ko\n",
    }
    assert world.read("lib/modules/said") == "-a 6.1\n-a 6.2\n"
    with world.open() as system:
        assert verify(system).is_clean
        assert runs_of(system.record, GenerationId(3))["depmod"].isolation
    (world.root / "etc/ssh").mkdir()
    (world.root / "etc/ssh/ssh_host_rsa_key").write_text("")
    (run,) = (one for one in world.install("two").triggers if one.name == "depmod")
    assert (run.outcome, run.output) == ("inhibited", "/etc/ssh/ssh_host_rsa_key is there")
    assert modules(world) == {}, "what it wrote goes with it"
