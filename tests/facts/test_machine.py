"""Reading a machine: a made-up one, below a directory, and the one that the tests run on."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

import moss.machine as reading
from moss.architecture import native_architecture
from moss.facts import FactKind
from moss.facts_file import format_facts, parse_facts
from moss.machine import read_machine
from tests.facts.test_cpu_level import V2, V3, processors

GRAPHICS = "pci:v00008086d00005917sv000017AAsd0000225Dbc03sc00i00"


def make(top: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, content in files.items():
        place = top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
    return top


def told(top: Path, machine: str = "x86_64", *, without: str = "arch(") -> list[str]:
    return [one.capability for one in read_machine(str(top), machine).facts if not one.capability.startswith(without)]


def test_a_laptop_is_read(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "proc/cpuinfo": processors(V3, V3),
            "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
            "sys/class/dmi/id/sys_vendor": "LENOVO\n",
            "sys/class/dmi/id/modalias": "dmi:bvnLENOVO:pvrThinkPadT480:\n",
            "sys/class/tty/tty0/dev": "4:0\n",
            "sys/bus/pci/devices/0000:00:02.0/modalias": f"{GRAPHICS}\n",
            "sys/bus/platform/devices/Fixed MDIO bus.0/modalias": "platform:Fixed MDIO bus\n",
            "sys/devices/system/cpu/modalias": "cpu:type:x86,ven0000fam0006mod008E:feature:,0000,0001\n",
            "etc/locale.conf": 'LANG="de_DE.UTF-8"\n',
        },
    )
    reading = read_machine(str(tmp_path), "x86_64")
    assert reading.left_out == ()
    assert [(one.capability, one.source) for one in reading.facts] == [
        ("arch(x86_64)", "uname"),
        *((f"cpu(x86-64-v{level})", "/proc/cpuinfo") for level in (1, 2, 3)),
        ("virt(none)", "no sign of a virtual machine or container"),
        ("locale(de_DE)", "/etc/locale.conf"),
        ("modalias(cpu:type:x86,ven0000fam0006mod008E:feature:,0000,0001)", "/sys/devices/system/cpu"),
        ("modalias(dmi:bvnLENOVO:pvrThinkPadT480:)", "/sys/class/dmi/id"),
        (f"modalias({GRAPHICS})", "/sys/bus/pci/devices/0000:00:02.0"),
        ("modalias(platform:Fixed MDIO bus)", "/sys/bus/platform/devices/Fixed MDIO bus.0"),
    ]


def test_a_machine_of_which_nothing_can_be_read_has_an_architecture(tmp_path: Path) -> None:
    assert told(tmp_path, without="-") == ["arch(x86_64)", "virt(none)"]
    assert told(tmp_path, "armv7l", without="-") == ["arch(armv7l)", "virt(none)"]


def test_levels_are_those_of_x86_64_alone(tmp_path: Path) -> None:
    make(tmp_path, {"proc/cpuinfo": processors(V2)})
    assert told(tmp_path) == ["cpu(x86-64-v1)", "cpu(x86-64-v2)", "virt(none)"]
    assert told(tmp_path, "i686", without="-") == ["arch(386)", "virt(none)"]
    assert told(tmp_path, "aarch64", without="-") == ["arch(aarch64)", "virt(none)"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, ["virt(qemu)"]),
        ({"proc/cpuinfo": "flags : fpu hypervisor\n"}, ["virt(vm-other)"]),
        (
            {
                "proc/cpuinfo": "flags : fpu hypervisor\n",
                "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc kvm-clock \n",
                ".dockerenv": "",
            },
            ["virt(docker)", "virt(kvm)"],
        ),
        ({"run/systemd/container": "lxc\n", "proc/1/environ": "container=podman\0"}, ["virt(lxc)"]),
        ({"proc/1/environ": "HOME=/\0container=podman\0TERM=x\0"}, ["virt(podman)"]),
        ({"run/.containerenv": ""}, ["virt(podman)"]),
        ({"proc/vz/x": ""}, ["virt(openvz)"]),
        ({"proc/vz/x": "", "proc/bc/x": ""}, ["virt(none)"]),
        ({"sys/hypervisor/type": "xen\n"}, ["virt(xen)"]),
        ({"proc/xen/capabilities": "control_d\n", "sys/hypervisor/type": "xen\n"}, ["virt(none)"]),
        ({"proc/cpuinfo": "processor: 0\nvendor_id\t: User Mode Linux\n"}, ["virt(uml)"]),
        ({"proc/device-tree/hypervisor/compatible": "linux,kvm\0other\0"}, ["virt(kvm)"]),
        ({"proc/device-tree/fw-cfg@9020000/x": ""}, ["virt(qemu)"]),
    ],
)
def test_what_the_machine_runs_in_is_read(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    assert told(make(tmp_path, files), "aarch64") == expected


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("etc/locale.conf", "LANG=de_DE.UTF-8\nLC_TIME='en_GB.UTF-8'\n# LC_ALL=fr_FR\n", ["de_DE", "en_GB"]),
        ("etc/default/locale", 'LANG="C.UTF-8"\n', []),
        ("etc/default/locale", "LANG=POSIX\nLC_MESSAGES=\n", []),
        ("etc/locale.conf", "LANG=sr_RS.UTF-8@latin\n", ["sr_RS@latin"]),
        ("etc/locale.conf", "LANG=de_DE.UTF-8\nLANGUAGE=de_AT:de\n", ["de", "de_AT", "de_DE"]),
        ("etc/locale.conf", "KEYMAP=de\nLANG\n=\nLANG=de DE\nLANG=\x1b[31m\n", []),
    ],
)
def test_languages_are_read(tmp_path: Path, path: str, text: str, expected: list[str]) -> None:
    assert told(make(tmp_path, {path: text})) == ["virt(none)", *(f"locale({one})" for one in expected)]


def test_odd_devices_are_left_out_and_told(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "sys/bus/pci/devices/1/modalias": "pci:a\npci:b\n",
            "sys/bus/pci/devices/2/modalias": b"pci:\xff\xfe\n",
            "sys/bus/pci/devices/3/modalias": "",
            "sys/bus/pci/devices/4/modalias": "\n",
            "sys/bus/pci/devices/5/modalias": "pci:\x1b]0;x\x07\n",
            "sys/bus/pci/devices/6/modalias": "pci:good\n",
            "sys/bus/pci/devices/7/modalias": "pci:good\n",
            "sys/bus/pci/devices/8/modalias": "x" * 100_000,
            "sys/bus/usb": "no directory",
        },
    )
    (tmp_path / "sys/bus/pci/devices/9/modalias").mkdir(parents=True)
    (tmp_path / "sys/bus/pci/devices/loop").symlink_to("loop")
    (tmp_path / "sys/bus/pci/devices/10").mkdir()
    os.mkfifo(tmp_path / "sys/bus/pci/devices/10/modalias")
    odd = os.fsencode(tmp_path) + b"/sys/bus/pci/devices/\xff"
    os.mkdir(odd)
    Path(os.fsdecode(odd), "modalias").write_text("pci:other\n")
    found = read_machine(str(tmp_path), "x86_64")
    devices = {one.name: one.source for one in found.facts if one.kind is FactKind.MODALIAS}
    assert devices == {"pci:good": "/sys/bus/pci/devices/6", "pci:other": "/sys/bus/pci/devices/�"}
    assert [one.split("/")[5] for one in found.left_out] == ["1", "2", "4", "5", "8"]
    text = format_facts(found.facts, "odd")
    assert [one.capability for one in parse_facts(text, "F")] == [one.capability for one in found.facts]


def test_a_machine_with_endless_devices_is_read_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_DEVICES", 30)
    make(tmp_path, {f"sys/bus/usb/devices/{number:03}/modalias": f"usb:{number}\n" for number in range(40)})
    found = read_machine(str(tmp_path), "x86_64")
    assert sum(one.kind is FactKind.MODALIAS for one in found.facts) == 30
    assert found.left_out == ("there are more than 30 devices: the rest was not looked at",)


def test_this_machine_says_of_every_device_what_it_is() -> None:
    found = read_machine()
    assert found.facts[0].capability == f"arch({native_architecture()})"
    assert {one.kind for one in found.facts} >= {FactKind.ARCH, FactKind.VIRT}
    there = set()
    for folder, _, files in os.walk("/sys/devices"):
        if "modalias" in files:
            content = reading._read(f"{folder}/modalias", 4096)
            there.add(content.decode(errors="replace").removesuffix("\n"))
    names = {one.name for one in found.facts if one.kind is FactKind.MODALIAS}
    assert names >= {text for text in there if text and text.isprintable()}
    text = format_facts(found.facts, "this machine")
    assert [one.capability for one in parse_facts(text, "F")] == [one.capability for one in found.facts]


def test_a_machine_whose_proc_and_sys_are_not_mounted_is_not_read_whole(tmp_path: Path) -> None:
    assert not read_machine(str(tmp_path), "x86_64").is_whole
    assert read_machine().is_whole or not Path("/sys/bus").is_dir()
