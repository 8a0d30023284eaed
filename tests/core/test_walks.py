"""Whole lives of a row: whatever is answered in whatever order, no way leads to a second task."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.facts import TaskFact
from importer.core.outcomes import Answer, Conflict, Created, Hits, Lost, NotDone, Outcome, Refused
from importer.core.policy import MAX_RESENDS, Again, LookUp, Settled, Step, after_look_up, next_step
from importer.core.stages import OUTCOMES, TRANSITIONS, UNSETTLED, Stage, advance
from tests.core.conftest import entry

OURS = {"queue": "q", "description": "d"}
LAG_S = 30.0

answers = st.sampled_from(
    [
        Created("t-1", "new", {}), Refused(400, "bad"), Refused(404, "no queue"), Conflict("exists"),
        NotDone("429", 1.0), Lost("500", 500), Lost("reset"), Lost("time-out"), Lost("cut off"),
    ]
)  # fmt: skip
nothing: list[str] = []
looks = st.just(nothing) | st.just(nothing) | st.lists(st.sampled_from(["mine", "theirs", "", "", ""]), max_size=8)


class Walk:
    """A row's life against a server that keeps every task: how often it was posted, and what was lost since."""

    def __init__(self) -> None:
        self.posts = 0
        self.lost = 0  # POSTs whose answer was lost
        self.looked_s = 0.0  # how long after the last lost answer the last look was that found nothing

    def post(self, answer: Answer, step: Step) -> Step:
        if self.lost:
            assert self.looked_s > LAG_S, "sent again before the lag had passed without a hit"
        sending = advance(step.entry, Stage.SENDING, attempts=step.entry.attempts + 1)
        self.posts += 1
        if isinstance(answer, Lost):
            self.lost += 1
            self.looked_s = 0.0
        return next_step(sending, answer)


@settings(max_examples=400)
@given(st.lists(st.tuples(answers, looks), min_size=1, max_size=25))
def test_life_of_a_row_keeps_every_rule(script: list[tuple[Answer, list[str]]]) -> None:
    """No step leaves the table, a lost answer is followed by a look beyond the lag, and at most two resends follow."""
    walk = Walk()
    step: Step = Again(entry(Stage.READY))
    for answer, seen in script:
        if not isinstance(step, Again):
            break
        step = walk.post(answer, step)
        since_s = 0.0
        for what in (*seen, *[""] * 8):
            if not isinstance(step, LookUp):
                break
            since_s += max(step.wait_s, 0.0)
            content = OURS if what == "mine" else {**OURS, "description": "another"}
            hits = Hits((TaskFact("t-9", "EXT-1", content, "queued"),) if what else ())
            walk.looked_s = 0.0 if what else since_s
            step = after_look_up(step.entry, hits, OURS, since_s, LAG_S)
        assert step.entry.resends <= MAX_RESENDS
        assert walk.lost <= MAX_RESENDS + 1
    if isinstance(step, Settled):
        settled = step.entry
        assert settled.stage not in {Stage.READY, Stage.SENDING, Stage.DOUBT}
        assert (settled.task_id is not None) == (settled.outcome in {Outcome.CREATED, Outcome.EXISTING})
        if walk.lost == 0 and settled.outcome is Outcome.CREATED:
            assert settled.task_id == "t-1"


def test_stages_that_rest_are_final_but_for_unknown() -> None:
    """No way leads out of a stage that has its outcome; an unknown row can be settled later, and is ready again at most."""
    final = {stage for stage, ways in TRANSITIONS.items() if not ways}
    assert final == set(Stage) - UNSETTLED
    assert Stage.SENDING not in TRANSITIONS[Stage.UNKNOWN]


def test_stages_all_have_an_outcome() -> None:
    """The books know every stage, and every outcome can be reached."""
    assert set(OUTCOMES) == set(TRANSITIONS) == set(Stage)
    assert set(OUTCOMES.values()) == set(Outcome)


def test_stages_in_which_a_post_was_begun_are_unknown_until_it_is_settled() -> None:
    """A row that was being sent, or whose answer was lost, is never told as not sent or failed: a task may be there."""
    assert {OUTCOMES[stage] for stage in (Stage.SENDING, Stage.DOUBT, Stage.UNKNOWN)} == {Outcome.UNKNOWN}
    assert [stage for stage in Stage if OUTCOMES[stage] is Outcome.NOT_SENT] == [Stage.READY]


def test_conflict_after_a_lost_answer_waits_for_the_lag() -> None:
    """409 after our own lost answer means that our task is most likely there: looked for, not retried at once."""
    doubted = replace(entry(Stage.SENDING), doubted=True, resends=1)
    step = next_step(doubted, Conflict("exists"))
    assert isinstance(step, LookUp)
    again = after_look_up(step.entry, Hits(), OURS, 0.0, LAG_S)
    assert isinstance(again, LookUp)
    found = after_look_up(again.entry, Hits((TaskFact("t-1", "EXT-1", OURS),)), OURS, 5.0, LAG_S)
    assert found.entry.outcome is Outcome.CREATED


def test_hit_equal_to_ours_is_taken_before_others() -> None:
    """Of several tasks with the ID, the one that equals our payload is ours, wherever it stands."""
    others = [TaskFact(f"t-{n}", "EXT-1", {**OURS, "description": "another"}) for n in range(2)]
    hits = Hits((others[0], TaskFact("mine", "EXT-1", OURS), others[1]))
    found = after_look_up(entry(Stage.DOUBT, doubted=True), hits, OURS, 1.0, LAG_S).entry
    assert (found.outcome, found.task_id) == (Outcome.CREATED, "mine")
    assert "3 tasks" in found.reason


def test_hit_that_does_not_show_a_field_is_not_called_different() -> None:
    """What the target leaves out is not compared."""
    hits = Hits((TaskFact("t-1", "EXT-1", {"queue": "q"}),))
    found = after_look_up(entry(Stage.DOUBT, doubted=True), hits, OURS, 1.0, LAG_S).entry
    assert found.outcome is Outcome.CREATED
