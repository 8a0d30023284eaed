"""The search grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.sandbox.query import MAX_TERMS, QueryError, Term, parse
from importer.sandbox.scenario import Scenario
from importer.sandbox.world import Identity, World
from tests.sandbox.conftest import body

VALUES = st.text(alphabet=st.one_of(st.sampled_from("'' or eq()\\%_\""), st.characters(codec="utf-8")), max_size=40)
FIELDS = st.sampled_from(["id", "customAttributes.externalId"])


def quoted(field: str, value: str) -> str:
    doubled = value.replace("'", "''")
    return f"{field} eq '{doubled}'"


@given(st.lists(st.tuples(FIELDS, VALUES), min_size=1, max_size=MAX_TERMS))
def test_query_gives_back_what_was_quoted(terms: list[tuple[str, str]]) -> None:
    """Whatever values are quoted with doubled quotes and joined come back as they were."""
    assert parse(" or ".join(quoted(*term) for term in terms)) == tuple(Term(*term) for term in terms)


@given(st.sets(VALUES.filter(bool), min_size=1, max_size=8), VALUES)
def test_query_finds_only_exact_hits(known: set[str], wanted: str) -> None:
    """A search for an external ID finds the task with exactly this ID and no other."""
    world = World(Identity.seeded(1), Scenario(index_lag_s=0))
    for external_id in known:
        world.create(body(next(iter(world.queues)), external_id), now=1000.0)
    found = world.find(parse(quoted("customAttributes.externalId", wanted)), now=1000.0)
    assert [task.external_id for task in found] == [wanted] * (wanted in known)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id eq 'a",
        "id eq a",
        "id = 'a'",
        "id eq 'a' and id eq 'b'",
        "id eq 'a' or ",
        " id eq 'a'",
        "name eq 'a'",
        "id eq 'a''",
        "customAttributes.externalId eq 'O'Brien'",
    ],
)
def test_query_that_does_not_parse_is_an_error(text: str) -> None:
    """Text outside the grammar is an error, never an empty result."""
    with pytest.raises(QueryError):
        parse(text)


def test_query_takes_50_terms_and_no_more() -> None:
    """The fifty-first term is one too many."""
    assert len(parse(" or ".join(["id eq 'a'"] * 50))) == 50
    with pytest.raises(QueryError, match="at most 50"):
        parse(" or ".join(["id eq 'a'"] * 51))
