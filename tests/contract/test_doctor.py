"""What the preflight asks is what the platform's definition allows."""

from importer.sandbox.scenario import Limit, Scenario
from importer.sandbox.server import Sandbox
from importer.sandbox.workitems.settings import WorkitemSettings
from importer.targets.examination import READS
from tests.contract.recorder import Recorder
from tests.flow.test_doctor import examined

CHANGES = ("PATCH", "PUT", "DELETE")
ASKING = ("/query", "/users/search", "/oauth/token")
"""How the paths of POSTs end that only read."""


async def test_doctor_asks_by_the_contract_and_only_reads() -> None:
    """Each of its requests breaks no rule of the definition, and none can change anything."""
    scenario = Scenario(limit=Limit(calls=0), workitems=WorkitemSettings(denied_permissions=("routing:queue:view",)))
    async with Sandbox(scenario, seed=7) as sandbox, Recorder(sandbox.api_url) as recorder:
        await examined(recorder.url, (sandbox.client_id, sandbox.client_secret))
        assert [str(breach) for breach in recorder.breaches() if breach.side == "request"] == []
        asked = [pair.asked for pair in recorder.pairs]
    assert len(asked) > len([name for name in READS if name.count(":") == 2])
    assert [each for each in asked if each.method in CHANGES] == []
    assert [each.path for each in asked if each.method == "POST" and not each.path.endswith(ASKING)] == []
