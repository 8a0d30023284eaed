"""plan diff as a user's process."""

from tests.cli.conftest import Shell

HEAD = "External ID,Queue,Description"


def test_plan_diff_shows_only_what_differs(importer: Shell) -> None:
    """Of two files, the row that changed, the new one and the one that is gone are told, on the screen and as JSON."""
    plans: list[str] = []
    for text in ("EXT-2,Billing,two", "EXT-2,Billing,another"):
        file = importer.file("tasks.csv", HEAD, "EXT-1,Billing,one", text, *(["EXT-3,Billing,three"] if plans else []))
        plans.append(importer("preview", file, "--sandbox", "--format", "json").json["plan"])
    shown = importer("plan", "diff", *plans)
    assert shown.code == 0, shown.err
    assert "description: two → another" in shown.out
    assert "rows: 1 changed, 1 added" in shown.out
    assert "EXT-1" not in shown.out
    body = importer("plan", "diff", *plans, "--format", "json").json
    assert [(each["kind"], each["external_id"]) for each in body["rows"]] == [("changed", "EXT-2"), ("added", "EXT-3")]
    assert "file" in {each["name"] for each in body["changes"]}
    assert importer("plan", "diff", plans[0], plans[0]).out.splitlines()[-1] == "nothing differs"
