"""Bundles as a person and as a program reads of them."""

from moss.bundle.manifest import BundledPackage
from moss.bundle.read import Bundle
from moss.cli.as_json import moment_data, reason_data
from moss.cli.text import Page, count, labelled, moment, packed, plain, size
from moss.operations.exporting import Export, Exported


def proposed_text(export: Export) -> str:
    return (
        f"Generation {export.generation.id} would be exported: "
        f"{count(len(export.carried), 'package')} of {len(export.selected)}.\nDry run: nothing was written.\n"
    )


def exported_text(exported: Exported, output: str) -> str:
    gathered = exported.gathered
    parts = [count(len(exported.export.carried), "package"), count(gathered.contents, "file")]
    if gathered.deltas:
        parts.append(f"{count(gathered.deltas, 'file')} as differences")
    where = "standard output" if output == "-" else plain(output)
    generation = exported.export.generation.id
    return f"{where}: generation {generation}, {', '.join(parts)}, {size(exported.written.size)}.\n"


def exported_data(exported: Exported, output: str) -> dict[str, object]:
    manifest = exported.written.manifest
    return {
        "file": output,
        "bytes": exported.written.size,
        "generation": exported.export.generation.id,
        "counter": manifest.origin.counter,
        "signer": None if exported.export.key is None else str(exported.export.key.public),
        "packages": len(exported.export.selected),
        "carried": len(exported.export.carried),
        "contents": exported.gathered.contents,
        "content_bytes": exported.gathered.content_size,
        "deltas": exported.gathered.deltas,
        "delta_bytes": exported.gathered.delta_size,
    }


def bundle_text(bundle: Bundle, page: Page) -> str:
    manifest = bundle.manifest
    origin, base = manifest.origin, manifest.base
    carried = [package for package in manifest.packages if package.carried]
    lines = [
        ("Bundle", f"generation {origin.generation} of the system {origin.system}"),
        ("Exported", f"{moment(origin.created_at)}, number {origin.counter}"),
        ("Signed", "by nobody" if bundle.signer is None else f"by {bundle.signer}"),
        ("Builds on", _base_text(bundle)) if base is not None else ("Builds on", "nothing: it is whole"),
        ("Asked for", plain(", ".join(str(wish) for wish in manifest.model.wishes)) or "nothing"),
        ("Packages", f"{len(manifest.packages)}, of which {len(carried)} are in it"),
        ("Files", f"{count(len(bundle.index), 'content')}, {size(bundle.content_size)}"),
    ]
    for signed in bundle.origins:
        last = signed.roots[-1].partition(".")[0] if signed.roots else "none"
        lines.append(("Signatures", f"of the repository {plain(signed.repository)}, up to root {last}"))
    if bundle.deltas:
        made = sum(delta.size for delta in bundle.deltas)
        lines.append(("", f"{count(len(bundle.deltas), 'content')} as differences, {size(made)}"))
    text = labelled(lines, page)
    shown = manifest.packages if page.verbose else carried
    names = packed([plain(package.label) for package in shown], max(page.columns - 2, 30))
    return text + "".join(f"  {line}\n" for line in (names if page.verbose else names[:10]))


def _base_text(bundle: Bundle) -> str:
    base = bundle.manifest.base
    assert base is not None
    generation = "an empty system" if base.generation is None else f"generation {base.generation}"
    if base.system is None:
        return f"{generation} of the same system"
    return f"what the system {base.system} had at {generation}"


def bundle_data(bundle: Bundle) -> dict[str, object]:
    manifest = bundle.manifest
    base = manifest.base
    return {
        "system": manifest.origin.system,
        "generation": manifest.origin.generation,
        "counter": manifest.origin.counter,
        "created_at": moment_data(manifest.origin.created_at),
        "signer": None if bundle.signer is None else str(bundle.signer),
        "base": None if base is None else {"system": base.system, "generation": base.generation},
        "wishes": [str(wish) for wish in manifest.model.wishes],
        "pins": [str(pin) for pin in manifest.model.pins],
        "holds": [str(hold) for hold in manifest.model.holds],
        "subscriptions": [str(switch) for switch in manifest.model.switches],
        "packages": [_package_data(package) for package in manifest.packages],
        "origins": [{"repository": one.repository, "roots": one.roots} for one in bundle.origins],
        "contents": len(bundle.index),
        "content_bytes": bundle.content_size,
        "deltas": len(bundle.deltas),
        "delta_bytes": sum(delta.size for delta in bundle.deltas),
    }


def _package_data(package: BundledPackage) -> dict[str, object]:
    return {
        "name": package.name,
        "version": package.version,
        "digest": package.digest,
        "repository": package.repository,
        "reason": reason_data(package.reason),
        "carried": package.carried,
    }
