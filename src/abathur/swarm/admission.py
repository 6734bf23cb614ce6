"""What this swarm knows about who may be claimed: its configuration, and where it runs."""

from __future__ import annotations

from abathur.domain.admission import AdmissionRules
from abathur.swarm.parts import Parts


def admission_rules(parts: Parts) -> AdmissionRules:
    settings = parts.settings
    return AdmissionRules(host=parts.host, default_target=settings.target_branch)
