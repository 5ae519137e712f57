"""What a machine runs in, told from what firmware and kernel say: the names are those of systemd-detect-virt.

Two answers, since a container may run in a virtual machine. systemd asks the processor for the hypervisor's
name too, which only a compiled program can; where nothing else names it, this says `vm-other`.
"""

from collections.abc import Mapping

from solver.values import value

# As detect_vm_dmi_vendor() in systemd's src/basic/virt.c has them: how a text of the firmware begins.
# "Oracle Corporation" is not among them: Oracle's own servers say so too.
_FIRMWARE = (
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
)
FIRMWARE_TEXTS = ("product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version")
"""In the order in which they count: KVM is a product of the vendor QEMU."""
FIRMWARE = "/sys/class/dmi/id"
CLOCKS = "/sys/devices/system/clocksource/clocksource0/available_clocksource"
_ALSO_BARE = ("amazon", "google")
"""These rent out whole machines too, with the same words in the firmware."""
_GENERIC = ("qemu", "bochs")
"""What the firmware of KVM's machines often says: the kernel's clock knows better."""
_CLOCKS = (("kvm-clock", "kvm"), ("hyperv_clocksource", "microsoft"), ("xen", "xen"))
_CONTAINERS = (
    *("lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "rkt", "wsl", "proot", "pouch"),
    *("openvz", "container-other"),
)


@value
class Hints:
    """What was found; empty texts where there was nothing."""

    firmware: Mapping[str, str]
    """The texts in FIRMWARE by their names."""
    has_hypervisor: bool | None
    """Whether the processors say that there is one; None for those that do not say either way."""
    clocks: str = ""
    """The content of CLOCKS."""
    hypervisor: str = ""
    """/sys/hypervisor/type"""
    xen_capabilities: str = ""
    """/proc/xen/capabilities; `control_d` is said to the domain that has the machine itself."""
    device_tree: str = ""
    """/proc/device-tree/hypervisor/compatible"""
    is_qemu_tree: bool = False
    """Whether the device tree has a node of QEMU's for handing over its firmware's settings."""
    vendor: str = ""
    """`vendor_id` in /proc/cpuinfo."""


def machine_of(hints: Hints) -> tuple[str, str] | None:
    """What virtual machine it is, and what says so; None where it is a real one."""
    if hints.vendor.startswith("User Mode Linux"):
        return "uml", "/proc/cpuinfo"
    if "control_d" in hints.xen_capabilities:
        return None
    if hints.hypervisor or hints.xen_capabilities:
        return "xen" if hints.hypervisor in ("xen", "") else "vm-other", "/sys/hypervisor"
    firmware = _named_by_firmware(hints.firmware)
    named = None if firmware is None else firmware[0]
    if named in _ALSO_BARE and (hints.has_hypervisor is False or _is_metal(hints.firmware)):
        return None
    clock = next(((name, CLOCKS) for word, name in _CLOCKS if word in hints.clocks), None)
    if not hints.has_hypervisor:
        clock = None
    if firmware is not None:
        return clock if named in _GENERIC and clock is not None else firmware
    if hints.device_tree:
        return _named_by_tree(hints.device_tree), "/proc/device-tree/hypervisor"
    if hints.is_qemu_tree:
        return "qemu", "/proc/device-tree"
    return clock or (("vm-other", "the processors' flags") if hints.has_hypervisor else None)


def _named_by_firmware(firmware: Mapping[str, str]) -> tuple[str, str] | None:
    for text in FIRMWARE_TEXTS:
        for start, name in _FIRMWARE:
            if firmware.get(text, "").startswith(start):
                return name, f"{FIRMWARE}/{text}"
    return None


def _is_metal(firmware: Mapping[str, str]) -> bool:
    return firmware.get("product_name", "").endswith(".metal")


def _named_by_tree(compatible: str) -> str:
    if compatible == "linux,kvm":
        return "kvm"
    return "xen" if "xen" in compatible else "vmware" if "vmware" in compatible else "vm-other"


def container_of(said: str, *, release: str = "", marks: Mapping[str, bool]) -> str | None:
    """What container it is; None outside of one.

    `said` is what the manager of the container told its first process (`container=`), `release` the kernel's
    name; `marks` says which of `openvz`, `podman` and `docker` have left their mark in the file system.
    """
    if marks.get("openvz"):
        return "openvz"
    if "Microsoft" in release or "WSL" in release:
        return "wsl"
    if said and said != "oci":
        return said if said in _CONTAINERS else "container-other"
    for name in ("podman", "docker"):
        if marks.get(name):
            return name
    return "container-other" if said else None
