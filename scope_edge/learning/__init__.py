"""Learning on the device: outcomes that are folded into a bundle's estimates as they come."""

from scope_edge.learning.experience import Experience
from scope_edge.learning.journal import Journal
from scope_edge.learning.learner import LIMIT, Learner
from scope_edge.learning.outcome import Outcome, outcome_of

__all__ = ["LIMIT", "Experience", "Journal", "Learner", "Outcome", "outcome_of"]
