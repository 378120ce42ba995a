"""`ROLES` is the explicit list: a role that is not in it does not exist."""

from __future__ import annotations

from dissonance.roles.auditor.role import ROLE as AUDITOR
from dissonance.roles.critic.role import ROLE as CRITIC
from dissonance.roles.evaluator.role import ROLE as EVALUATOR
from dissonance.roles.gate.role import ROLE as GATE
from dissonance.roles.learner.role import ROLE as LEARNER
from dissonance.roles.meta.role import ROLE as META
from dissonance.roles.proposer.role import ROLE as PROPOSER
from dissonance.roles.role import Role

ROLES: dict[str, Role] = {role.name: role for role in (PROPOSER, CRITIC, GATE, LEARNER, EVALUATOR, META, AUDITOR)}
