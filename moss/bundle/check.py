"""`bundle verify`: every byte of a bundle, in one pass, with nothing written."""

from moss.bundle.read import Bundle
from moss.digest import EMPTY_CONTENT
from moss.errors import CorruptData, TrustFailure
from moss.reporter import Reporter
from moss.trust import PublicKey


def check_bundle(bundle: Bundle, reporter: Reporter, key: PublicKey | None = None) -> None:
    """Raises the first fault: CorruptData with its place, TrustFailure where `key` has not signed it.

    That patches fit what they are made for shows only where that is.
    """
    if key is not None and bundle.signer != key:
        by = "by nobody" if bundle.signer is None else f"by {bundle.signer}"
        raise TrustFailure(
            f"{bundle.name} is signed {by}, not by {key}", remedies=["do not use it before you know why"]
        )
    _judge_wholeness(bundle)
    for _ in bundle.patches():
        pass
    done = 0
    for content in bundle.contents():
        for _ in content.chunks():
            pass
        done += content.size
        reporter.progress(done, bundle.content_size, "bytes")


def _judge_wholeness(bundle: Bundle) -> None:
    """Every layout can be read; a bundle that builds on nothing holds every package and every content."""
    made = {delta.new for delta in bundle.deltas} | {EMPTY_CONTENT}
    builds_on_nothing = bundle.manifest.base is None
    if builds_on_nothing and not all(package.carried for package in bundle.manifest.packages):
        raise CorruptData("says that it builds on nothing, and lacks packages", file=bundle.name)
    for carried in bundle.packages():
        for entry in carried.layout():
            digest = entry.digest
            if builds_on_nothing and digest is not None and digest not in made and digest not in bundle.index:
                raise carried.place.fault(f"the content of /usr/{entry.path} is not in the bundle")
