from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from server import metrics
from server.http.routes import PREFIX
from tests.server.http.world import World, secret_of, served

if TYPE_CHECKING:
    import pytest


REQUESTS = "traffic_http_requests_total"


async def figures(world: World) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    key = {"Authorization": f"Bearer {secret_of('read-only')}"}
    answer = await world.http.get("/metrics", headers=key)
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_figures_follow_what_happens() -> None:
    async with served() as world:
        runner = await world.runner()
        for _ in range(3):
            await world.submit()
        await world.submit(queue='gpu "x"\n')
        [first, _] = await runner.take()
        await runner.print(first, b"12345")
        await runner.finish(first)
        await world.call("GET", "/jobs/424242")
        await world.call("GET", f"/jobs/{first.job.id}/output")
        found = await figures(world)
    assert found["traffic_jobs", (("state", "completed"),)] == 1
    assert found["traffic_jobs", (("state", "in_progress"),)] == 1
    assert found["traffic_runners", (("state", "ok"),)] == 1
    assert found["traffic_queue_jobs", (("queue", "default"), ("state", "waiting"))] == 1
    assert found["traffic_queue_jobs", (("queue", 'gpu "x"\n'), ("state", "waiting"))] == 1
    assert found["traffic_events_total", (("kind", "submitted"),)] == 4
    assert found["traffic_commits_total", ()] >= 4
    assert found["traffic_late_writes_total", ()] == 0
    assert found["traffic_output_bytes_total", ()] == 5
    assert found["traffic_event_streams", ()] == 0
    requests = {labels: value for (name, labels), value in found.items() if name == REQUESTS}
    submit = (("method", "POST"), ("route", f"{PREFIX}/jobs"), ("status", "201"))
    unknown = (("method", "GET"), ("route", f"{PREFIX}/jobs/{{job}}"), ("status", "404"))
    assert requests[submit] == 4
    assert requests[unknown] == 1


async def test_labels_do_not_grow_with_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_QUEUES", 3)
    async with served() as world:
        await world.good(
            "POST", "/jobs", [{"type": "a", "queue": f"q{n}"} for n in range(10)], role="submit"
        )
        for number in range(10):
            await world.http.get(f"/nothing/{number}")
            await world.call("GET", f"/runners/nobody{number}")
        for method in ("PROPFIND", "LOCK", "MKCOL"):
            await world.http.request(method, "/nothing")
        await world.call("PUT", "/schedules/nothing", {"cron": "@daily", "type": "a"})
        found = await figures(world)
    queues = {dict(labels).get("queue") for name, labels in found if name == "traffic_queue_jobs"}
    assert len(queues) == 4
    others = (("queue", "(others)"), ("state", "waiting"))
    assert found["traffic_queue_jobs", others] == 7
    routes = {dict(labels)["route"] for name, labels in found if name == REQUESTS}
    changed = f"{PREFIX}/schedules/{{schedule}}"
    assert routes == {"(unknown)", f"{PREFIX}/jobs", f"{PREFIX}/runners/{{runner}}", changed}
    methods = {dict(labels)["method"] for name, labels in found if name == REQUESTS}
    assert methods == {"GET", "POST", "PUT", "other"}
