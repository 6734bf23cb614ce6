"""What the configuration says about who may be claimed."""

from __future__ import annotations

from abathur.domain.admission import AdmissionRules
from abathur.domain.settings import Settings
from abathur.swarm.parts import Parts


def admission_rules(parts: Parts) -> AdmissionRules:
    return rules_of(parts.settings, parts.host)


def rules_of(settings: Settings, host: str) -> AdmissionRules:
    """For the swarm and for the views alike, so that both say the same."""
    return AdmissionRules(
        limits=settings.limits,
        host=host,
        default_target=settings.target_branch,
        may_overlap=settings.swarm.overlap == "run",
    )
