"""States: a task's state as one text, whatever the target; when it is at its end; and the words that people know."""

from typing import Any

FINAL_STATES = frozenset({"closed", "cancelled"})
"""States that a task of the founding API never leaves."""
CLOSED, TERMINATED = "Closed", "Terminated"

WORDS = {
    "Idle": "not routed",
    "AcdStarted": "waiting for an agent",
    "Alerting": "offered to an agent",
    "AlertTimeout": "not answered by an agent",
    "Declined": "declined by an agent",
    "Connected": "with an agent",
    "Disconnected": "left by the agent",
    "Parked": "parked",
    "Held": "on hold",
    "AcdCancelled": "taken out of routing",
    "AcdExpired": "waited in vain for an agent",
    "Terminated": "terminated",
}
"""A workitem's assignment states."""
CATEGORIES = {"Open": "open", "InProgress": "in progress", "Waiting": "waiting", "Closed": "closed"}


def state_of(category: Any, assignment: Any) -> str:
    """A workitem's two states as one text, `Open/AcdStarted`; a blank where neither is told."""
    both = [text if isinstance(text, str) and text else "Unknown" for text in (category, assignment)]
    return "" if both == ["Unknown", "Unknown"] else "/".join(both)


def is_final(state: str | None) -> bool:
    """Whether following a task ends here: closed, cancelled, or terminated."""
    if not state:
        return False
    category, _, assignment = state.partition("/")
    return state in FINAL_STATES or (bool(assignment) and (category == CLOSED or assignment == TERMINATED))


def in_words(state: str | None) -> str:
    """`Open/AcdStarted` as `open, waiting for an agent`; the founding API's states are words already."""
    if not state or "/" not in state:
        return state or ""
    category, _, assignment = state.partition("/")
    return f"{CATEGORIES.get(category, category)}, {WORDS.get(assignment, assignment)}"
