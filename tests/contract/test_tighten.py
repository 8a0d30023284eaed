"""The tightened definition: each rule refuses something, and alone."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.contract import definition, missing
from tests.contract.definition import Side
from tests.contract.examples import GOOD, NOW, changed, refused
from tests.contract.rules import ID, RULES, Everywhere, Rule
from tests.contract.tighten import SIDES, Tightened

BY_NAME = {rule.name: rule for rule in RULES}


@pytest.fixture(scope="module")
def tight() -> Tightened:
    """All rules."""
    return Tightened()


@pytest.fixture(scope="module")
def loose() -> Tightened:
    """The definition as it is."""
    return Tightened(())


def faults(tightened: Tightened, side: Side, model: str, value: Any) -> list[str]:
    """What is wrong with a value of the model, in words."""
    found = tightened.faults(side, {"$ref": f"#/$defs/{model}"}, value, NOW)
    return [f"{fault.where}: {fault.what} ({fault.rule})" for fault in found]


def test_definition_is_the_platforms_own() -> None:
    """The copy agrees with the definition that the facts come with, where that is at hand."""
    if not definition.ORIGINAL.exists():
        pytest.skip("the original definition is not here")
    assert definition.reduced(json.loads(definition.ORIGINAL.read_text("utf-8"))) == definition.document()


def test_rules_have_names_of_their_own() -> None:
    """No rule hides another, and each names the section that it rests on."""
    assert len(BY_NAME) == len(RULES)
    assert all(rule.source for rule in RULES)


def test_schemas_are_schemas(tight: Tightened) -> None:
    """Definition and rules together are valid JSON Schema, in each model that a rule is about."""
    for name in GOOD:
        for side in SIDES:
            Draft202012Validator.check_schema(tight.model(side, name))


@pytest.mark.parametrize("model", GOOD)
def test_good_values_keep_all_rules(tight: Tightened, model: str) -> None:
    """What the examples call good is refused by no rule, on neither side where it may be on both."""
    side: Side = "request" if model.endswith(("Request", "Create", "Update", "Filter")) or model[0] == "?" else "answer"
    assert faults(tight, side, model, GOOD[model]) == []


@pytest.mark.parametrize("name", BY_NAME)
def test_rule_refuses_what_nothing_else_does(tight: Tightened, name: str) -> None:
    """Each bad value of a rule is refused with it, and accepted when this one rule is taken away."""
    rule: Rule | Everywhere = BY_NAME[name]
    without = Tightened([each for each in RULES if each is not rule])
    for side, model, value in refused(rule):
        assert any(f"({name})" in fault for fault in faults(tight, side, model, value)), (model, value)
        assert faults(without, side, model, value) == [], (model, value)


@pytest.mark.parametrize(
    ("side", "model", "value"),
    [
        ("answer", "Workitem", {}),
        ("answer", "BulkJob", {}),
        ("answer", "WorkitemPostQueryEntityListing", {}),
        ("answer", "error", {}),
        ("answer", "Workitem", changed(GOOD["Workitem"], {"state": "new"})),
        ("request", "WorkitemCreate", {"name": "ab", "typeId": ID}),
        ("request", "WorkitemCreate", {"name": "Invoice", "typeId": "Claims"}),
        ("request", "WorkitemCreate", {"name": "Invoice", "typeId": ID, "externalId": "E-1"}),
    ],
)
def test_tightened_refuses_what_the_definition_accepts(
    tight: Tightened, loose: Tightened, side: Side, model: str, value: Any
) -> None:
    """An empty workitem, an unknown field and a name of two characters pass the definition and not the tightened one."""
    assert faults(loose, side, model, value) == []
    assert faults(tight, side, model, value)


def test_dates_are_not_judged_without_a_time(tight: Tightened) -> None:
    """Where nobody says what time it is, no date is too far ahead."""
    value = changed(GOOD["WorkitemCreate"], {"dateDue": "2099-01-01T00:00:00Z"})
    assert tight.faults("request", {"$ref": "#/$defs/WorkitemCreate"}, value) == []


def test_parameters_of_a_path_are_needed(loose: Tightened) -> None:
    """A path without its parameter is refused by the definition itself."""
    assert faults(loose, "request", "?getTaskmanagementWorkitem", {})
    assert not faults(loose, "request", "?getTaskmanagementWorkitem", {"workitemId": ID})


def test_missing_operations_are_all_in_the_sdk() -> None:
    """Each operation that the definition lacks is the SDK's, under its path, and none of them is in the definition."""
    known = {(operation.method, operation.path) for operation in definition.operations()}
    found = {(operation.method, operation.path) for operation in missing.operations()}
    assert found == {("POST", missing.LOG_IN), *(row[:2] for row in missing.IN_SDK)}
    assert not known & found
