"""Debian packages become stones: the names that others use.

convert("bash_5.2_amd64.deb", "stones")              -> Converted
for done in convert_all(debs, "stones"): …           -> Converted or Failed, as they get ready
"""

from moss.debian.relations import metadata_of
from moss.foreign.convert import SCANNED_NEEDS, Converted, convert
from moss.foreign.convert_all import Failed, convert_all
from moss.foreign.files import Limits
from moss.foreign.notices import Notice, NoticeKind

__all__ = [
    "SCANNED_NEEDS",
    "Converted",
    "Failed",
    "Limits",
    "Notice",
    "NoticeKind",
    "convert",
    "convert_all",
    "metadata_of",
]
