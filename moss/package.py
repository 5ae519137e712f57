"""What a package says of itself, and how it relates to others.

Format v1 knows plain capabilities only (`depends`, `provides`, `conflicts`). What it cannot say
(versions, alternatives, breaks, replaces, recommends) is carried beside it as `Relations`; where a
package has them they supersede the plain ones, which then hold the part that upstream can read.
"""


from moss.capability import Capability
from moss.digest import PackageDigest
from solver.model import Formula, Provide, Relation
from solver.values import value
from solver.version import Scheme


@value
class Relations:
    """Everything a package says about others. Names in relations are capability texts (`str(Capability)`)."""

    depends: tuple[Formula, ...] = ()
    recommends: tuple[Formula, ...] = ()
    supplements: tuple[Formula, ...] = ()
    provides: tuple[Provide, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    breaks: tuple[Relation, ...] = ()
    replaces: tuple[Relation, ...] = ()
    serves_every_architecture: bool = False
    """Whether packages of other architectures may have their needs met by it (Debian's `Multi-Arch: foreign`)."""


@value
class Metadata:
    """A package's own statement, as its stone holds it."""

    name: str
    version: str
    release: int
    build_release: int
    architecture: str
    summary: str = ""
    description: str = ""
    homepage: str = ""
    source_id: str = ""
    licenses: tuple[str, ...] = ()
    depends: tuple[Capability, ...] = ()
    provides: tuple[Capability, ...] = ()
    conflicts: tuple[Capability, ...] = ()
    build_depends: tuple[Capability, ...] = ()
    scheme: Scheme = Scheme.STONE
    rich_relations: Relations | None = None
    source_digest: str | None = None
    """What the package was made from (`sha256:<hex>` of a .deb), when it is not an original stone."""

    @property
    def ordered_version(self) -> str:
        """The text that orders this package among others of its name: a stone's carries its release."""
        return f"{self.version}-{self.release}" if self.scheme is Scheme.STONE else self.version

    @property
    def label(self) -> str:
        """How a person reads it: `nano 8.4-35`."""
        return f"{self.name} {self.ordered_version}"

    @property
    def file_name(self) -> str:
        name, version = (text.replace(":", "%3a").replace("/", "%2f") for text in (self.name, self.version))
        return f"{name}-{version}-{self.release}-{self.build_release}-{self.architecture}.stone"

    @property
    def relations(self) -> Relations:
        """The relations in force: the rich ones where there are any, else what format v1 says."""
        if self.rich_relations is not None:
            return self.rich_relations
        return Relations(
            depends=tuple(Relation(str(capability)) for capability in self.depends),
            provides=tuple(Provide(str(capability), None) for capability in self.provides),
            conflicts=tuple(Relation(str(capability)) for capability in self.conflicts),
        )


@value
class Published:
    """A package as a repository index offers it: its statement, and where its stone is."""

    metadata: Metadata
    uri: str
    """Relative to the index."""
    digest: PackageDigest
    size: int
    """Bytes of the stone."""
    installed_size: int | None = None
    """Bytes that its distinct files take; None where the index does not say."""
    content_id: str | None = None
    """What it is, whatever it comes in (moss/stone/content_id.py); None where the index does not say."""
