"""What a machine runs in, by what firmware and kernel say."""

from collections.abc import Mapping
from typing import Any

import pytest

from moss.virtualisation import Hints, container_of, machine_of

FIRMWARE = ("product_name", "sys_vendor", "bios_vendor")


def machine(said: Mapping[str, Any]) -> str | None:
    rest = {name: one for name, one in said.items() if name not in (*FIRMWARE, "has_hypervisor")}
    firmware = {name: said[name] for name in FIRMWARE if name in said}
    found = machine_of(Hints(firmware, said.get("has_hypervisor"), **rest))
    return None if found is None else found[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, None),
        ({"product_name": "20L6S29D0G", "sys_vendor": "LENOVO", "has_hypervisor": False}, None),
        ({"product_name": "KVM", "sys_vendor": "Red Hat", "has_hypervisor": True}, "kvm"),
        ({"product_name": "Standard PC (Q35 + ICH9, 2009)", "sys_vendor": "QEMU", "has_hypervisor": True}, "qemu"),
        ({"sys_vendor": "QEMU", "has_hypervisor": True, "clocks": "kvm-clock tsc hpet"}, "kvm"),
        ({"product_name": "Bochs", "has_hypervisor": True, "clocks": "kvm-clock"}, "kvm"),
        ({"sys_vendor": "VMware, Inc.", "has_hypervisor": True}, "vmware"),
        ({"product_name": "VirtualBox", "sys_vendor": "innotek GmbH", "has_hypervisor": False}, "oracle"),
        ({"product_name": "VirtualBox", "has_hypervisor": True, "clocks": "kvm-clock"}, "oracle"),
        ({"sys_vendor": "Hetzner", "has_hypervisor": True, "clocks": "kvm-clock tsc acpi_pm"}, "kvm"),
        ({"has_hypervisor": True, "clocks": "hyperv_clocksource_tsc_page tsc"}, "microsoft"),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Surface Pro", "has_hypervisor": False}, None),
        ({"sys_vendor": "Oracle Corporation", "product_name": "ORACLE SERVER X8-2", "has_hypervisor": False}, None),
        ({"sys_vendor": "Amazon EC2", "has_hypervisor": True, "clocks": "kvm-clock"}, "amazon"),
        ({"sys_vendor": "Amazon EC2", "product_name": "m5.metal", "has_hypervisor": False}, None),
        ({"sys_vendor": "Amazon EC2", "product_name": "c7g.metal"}, None),
        ({"sys_vendor": "Amazon EC2", "product_name": "c7g.large"}, "amazon"),
        ({"product_name": "Google Compute Engine", "has_hypervisor": False}, None),
        ({"has_hypervisor": True}, "vm-other"),
        ({"has_hypervisor": True, "clocks": "tsc kvm-clock"}, "kvm"),
        ({"has_hypervisor": False, "clocks": "tsc hpet"}, None),
        ({"has_hypervisor": True, "xen_capabilities": "control_d\n", "clocks": "xen tsc"}, None),
        ({"has_hypervisor": True, "xen_capabilities": " ", "clocks": "xen tsc"}, "xen"),
        ({"has_hypervisor": True, "sys_vendor": "Xen", "product_name": "HVM domU"}, "xen"),
        ({"hypervisor": "xen"}, "xen"),
        ({"hypervisor": "other"}, "vm-other"),
        ({"device_tree": "linux,kvm"}, "kvm"),
        ({"device_tree": "xen,xen-4.17"}, "xen"),
        ({"device_tree": "something"}, "vm-other"),
        ({"is_qemu_tree": True}, "qemu"),
        ({"vendor": "User Mode Linux"}, "uml"),
    ],
)
def test_a_machine_is_known_by_what_is_said_of_it(said: Mapping[str, Any], expected: str | None) -> None:
    assert machine(said) == expected


@pytest.mark.parametrize(
    ("said", "release", "left", "expected"),
    [
        ("", "6.1.0-18-amd64\n", (), None),
        ("", "", ("docker",), "docker"),
        ("", "", ("podman", "docker"), "podman"),
        ("lxc", "", (), "lxc"),
        ("systemd-nspawn", "", ("docker",), "systemd-nspawn"),
        ("oci", "", ("docker",), "docker"),
        ("oci", "", (), "container-other"),
        ("something new", "", (), "container-other"),
        ("", "5.15.133.1-microsoft-standard-WSL2", ("docker",), "wsl"),
        ("", "4.4.0-19041-Microsoft", (), "wsl"),
        ("", "", ("openvz",), "openvz"),
    ],
)
def test_a_container_is_known_by_its_marks(said: str, release: str, left: tuple[str], expected: str | None) -> None:
    assert container_of(said, release=release, marks=dict.fromkeys(left, True)) == expected
