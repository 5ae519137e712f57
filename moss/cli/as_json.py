"""moss's values as the plain data that `--json` prints; schema/json/ says what it looks like."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moss.db.triggers import TriggerRun
    from moss.facts import Fact
    from moss.generation import Generation, JournalEntry, Reason, Selected
    from moss.package import Metadata
    from moss.path_filter import Omission
    from moss.plan import Change, Chosen, Difference, Held, Plan, Proof, Space
    from moss.repository import Candidate


Data = dict[str, object]


def moment_data(seconds: int | None) -> str | None:
    """`2026-09-02T14:03:00Z`."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def package_data(metadata: Metadata) -> Data:
    """Which package, in the fewest words: what tells it from others."""
    return {
        "name": metadata.name,
        "version": metadata.version,
        "release": metadata.release,
        "build_release": metadata.build_release,
        "architecture": metadata.architecture,
        "label": metadata.label,
    }


def described_data(metadata: Metadata) -> Data:
    """With what a person would like to read of it."""
    return package_data(metadata) | {"summary": metadata.summary}


def statement_data(metadata: Metadata) -> Data:
    """Everything that a package says of itself and of others."""
    relations = metadata.relations
    return described_data(metadata) | {
        "description": metadata.description,
        "homepage": metadata.homepage,
        "source": metadata.source_id,
        "licenses": list(metadata.licenses),
        "version_scheme": metadata.scheme.name.lower(),
        "made_from": metadata.source_digest,
        "depends": _texts(relations.depends),
        "recommends": _texts(relations.recommends),
        "supplements": _texts(relations.supplements),
        "provides": _texts(relations.provides),
        "conflicts": _texts(relations.conflicts),
        "breaks": _texts(relations.breaks),
        "replaces": _texts(relations.replaces),
        "build_depends": _texts(metadata.build_depends),
    }


def selected_data(selected: Selected) -> Data:
    return described_data(selected.metadata) | {
        "repository": selected.repository,
        "digest": selected.digest,
        "installed_bytes": selected.installed_size,
        "reason": reason_data(selected.reason),
    }


def candidate_data(candidate: Candidate) -> Data:
    return described_data(candidate.metadata) | {
        "repository": candidate.repository,
        "uri": candidate.uri,
        "digest": candidate.digest,
        "download_bytes": candidate.stone_size,
    }


def reason_data(reason: Reason) -> Data:
    return {
        "wish": reason.wish,
        "package": reason.package,
        "needs": reason.needs,
        "subscription": reason.subscription,
    }


def plan_data(plan: Plan) -> Data:
    return {
        "operation": plan.operation,
        "from": plan.base,
        "to": plan.result,
        "installs": [_chosen_data(install.package) for install in plan.installs],
        "changes": [_change_data(change) for change in plan.changes],
        "removals": [
            package_data(removal.metadata) | {"because": removal.because} for removal in plan.removals
        ],
        "held": [_held_data(held) for held in plan.held],
        "wishes": {
            "before": _texts(plan.model_before.wishes),
            "after": _texts(plan.model.wishes),
        },
        "pins": {"before": _texts(plan.model_before.pins), "after": _texts(plan.model.pins)},
        "holds": {"before": _texts(plan.model_before.holds), "after": _texts(plan.model.holds)},
        "omissions": {
            "before": [omission_data(one) for one in plan.omissions_before],
            "after": [omission_data(one) for one in plan.omissions],
        },
        "savings": [
            {"subscription": one.subscription, "before_bytes": one.before, "after_bytes": one.after}
            for one in plan.savings
        ],
        "refetched": [package_data(one.package.metadata) | {"missing_bytes": one.missing} for one in plan.refetched],
        "subscriptions": {
            "before": _texts(plan.model_before.switches),
            "after": _texts(plan.model.switches),
        },
        "space": _space_data(plan.space),
        "proof": None if plan.proof is None else _proof_data(plan.proof),
        "origin": plan.origin or None,
        "sources": [
            {
                "repository": source.repository,
                "packages": source.packages,
                "vouched_by": source.vouched_by.value,
                "stale_days": source.stale_days,
            }
            for source in plan.sources
        ],
    }


def omission_data(omission: Omission) -> Data:
    return {
        "subscription": omission.subscription,
        "patterns": list(omission.patterns),
        "kept": list(omission.kept),
    }


def difference_data(difference: Difference) -> Data:
    return {
        "installs": [_chosen_data(install.package) for install in difference.installs],
        "changes": [_change_data(change) for change in difference.changes],
        "removals": [package_data(metadata) for metadata in difference.removals],
    }


def generation_data(generation: Generation) -> Data:
    return {
        "id": generation.id,
        "created_at": moment_data(generation.created_at),
        "parent": generation.parent,
        "command": generation.command,
        "wishes": _texts(generation.model.wishes),
        "pins": _texts(generation.model.pins),
        "holds": _texts(generation.model.holds),
        "subscriptions": _texts(generation.model.switches),
    }


def fact_data(fact: Fact) -> Data:
    return {"kind": fact.kind.value, "capability": fact.capability, "source": fact.source}


def journal_data(entry: JournalEntry) -> Data:
    return {
        "id": entry.id,
        "operation": entry.operation,
        "command": entry.command,
        "from": entry.from_generation,
        "to": entry.to_generation,
        "phase": entry.phase,
        "started_at": moment_data(entry.started_at),
        "finished_at": moment_data(entry.finished_at),
    }


def _texts(things: Iterable[object]) -> list[str]:
    return [str(thing) for thing in things]


def _chosen_data(chosen: Chosen) -> Data:
    return package_data(chosen.metadata) | {"reason": reason_data(chosen.reason)}


def _change_data(change: Change) -> Data:
    return {
        "before": package_data(change.before),
        "after": package_data(change.package.metadata),
        "downgrade": change.is_downgrade,
        "reason": reason_data(change.package.reason),
    }


def _held_data(held: Held) -> Data:
    return {
        "name": held.name,
        "current": held.current,
        "newest": held.newest,
        "because": None if held.because is None else list(held.because),
        "gone": list(held.gone),
        "behind": list(held.behind),
        "command": held.command,
    }


def _space_data(space: Space) -> Data:
    return {"download_bytes": space.download, "store_bytes": space.store, "free_bytes": space.free}


def _proof_data(proof: Proof) -> Data:
    return {
        "proven": proof.proven,
        "order": proof.order,
        "seconds": round(proof.seconds, 6),
        "levels": [{"name": name, "cost": cost} for name, cost in proof.levels],
    }


def trigger_data(run: TriggerRun) -> dict[str, object]:
    return {
        "name": run.name,
        "outcome": "reused" if run.reused else run.outcome,
        "seconds": round(run.seconds, 6),
        "output": run.output,
        "isolation": run.isolation,
        "changed": [
            {"path": f"/usr/{one.path}", "package": one.package, "removed": one.removed} for one in run.changed
        ],
    }
