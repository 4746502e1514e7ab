"""The agent as a supervisor in a process of its own: signals, exit codes, words, kills of the
coordinator, and images that are programs of this box."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.settings import ImageSettings
from tests.end_to_end.service import Service
from tests.runner.agents import agent
from tests.runner.recording import until_true
from tests.runner.test_real_coordinator import in_state, job, output
from tests.runner.treadmill.switchboard import IMAGE, SUPERVISOR, TOKEN, Switchboard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.timeout(120)

LINES = 30_000
PRINTER = f"""
import pathlib, sys, time
with pathlib.Path("runs").open("a") as file:
    file.write("run\\n")
for number in range({LINES}):
    sys.stdout.write("%07d\\n" % number)
    if number % 200 == 0:
        sys.stdout.flush()
        time.sleep(0.02)
"""
STUBBORN = "trap '' TERM; echo here; while :; do sleep 0.05; done"
OTHER = "cd" * 32


def sandboxless(**images: ImageSettings) -> dict[str, Any]:
    """Options of a supervisor that has these images."""
    return {"protocol": "treadmill", "name": SUPERVISOR, "images": images}


def shell(script: str) -> ImageSettings:
    return ImageSettings(command=("/bin/sh", "-c", script))


# images ----------------------------------------------------------------------------------------


async def test_a_command_has_its_parameters(switchboard: Switchboard, tmp_path: Path) -> None:
    told = shell('echo "$TML_PARAM_speed/$TML_PARAM_pw/$TML_IMAGE_ID"; cat >&2')
    options = sandboxless(**{IMAGE: told})
    parameters = {
        "speed": {"value": "fast", "secret": False},
        "pw": {"value": "hunter2", "secret": True},
        "odd name": {"value": "only on standard input", "secret": False},
        "nul": {"value": "a\0b", "secret": False},
    }
    with agent(tmp_path, switchboard.url, key=TOKEN, **options) as running:
        await switchboard.connected()
        job_id = await switchboard.start(parameters=parameters, ssh_keys=["ssh-ed25519 AAAA"])
        await switchboard.ended(job_id)
        said = running.said()
    console = switchboard.console(job_id)
    line = f"fast/hunter2/{IMAGE}\n".encode()
    assert line in console
    assert json.loads(console.replace(line, b"")) == {
        "image_id": IMAGE,
        "parameters": {name: parameter["value"] for name, parameter in parameters.items()},
        "ssh_keys": ["ssh-ed25519 AAAA"],
    }
    assert switchboard.declared(job_id) == [("success", '{"exit_code":0}')]
    assert "hunter2" not in said
    assert TOKEN[:20] not in said


@pytest.mark.parametrize(
    ("script", "declared"),
    [
        ("exit 3", ("error", "exit status 3")),
        ("kill -9 $$", ("unknown", "killed by signal 9 (SIGKILL)")),
    ],
)
async def test_how_a_command_ends(
    script: str, declared: tuple[str, str], switchboard: Switchboard, tmp_path: Path
) -> None:
    with agent(tmp_path, switchboard.url, key=TOKEN, **sandboxless(**{IMAGE: shell(script)})):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
    assert switchboard.declared(job_id) == [declared]


async def test_a_folder_is_started_by_its_own_program(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    folder = tmp_path / "blink"
    folder.mkdir()
    start = folder / "start"
    start.write_text("#!/bin/sh\ncat firmware\n")
    start.chmod(0o755)
    (folder / "firmware").write_text("blink")
    options = sandboxless(
        **{IMAGE: ImageSettings(folder=str(folder)), OTHER: ImageSettings(folder=str(tmp_path))}
    )
    with agent(tmp_path / "agent", switchboard.url, key=TOKEN, **options):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
        spec = {"type": "image", "image_id": OTHER.upper()}
        broken = await switchboard.start(image_spec=spec)
        await switchboard.hears(lambda: switchboard.kinds(broken) == ["ImageInvalid"])
    assert switchboard.console(job_id) == b"blink"
    ((_, words),) = switchboard.errors(broken)
    assert "there is no program './start'" in words


async def test_too_many_parameters_do_not_fit_a_command(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    with agent(tmp_path, switchboard.url, key=TOKEN, **sandboxless(**{IMAGE: shell("true")})):
        await switchboard.connected()
        parameters = {"huge": {"value": "x" * 200_000, "secret": False}}
        job_id = await switchboard.start(parameters=parameters)
        await switchboard.hears(lambda: switchboard.kinds(job_id) == ["ImageNotCompatible"])


async def test_an_image_is_a_job_type(switchboard: Switchboard, tmp_path: Path) -> None:
    """A built-in one takes the parameters as its own."""
    options = sandboxless(**{IMAGE: ImageSettings("fib"), OTHER: ImageSettings("noop")})
    with agent(tmp_path, switchboard.url, key=TOKEN, **options):
        await switchboard.connected()
        job_id = await switchboard.start(parameters={"n": {"value": "10", "secret": False}})
        await switchboard.ended(job_id)
        other = await switchboard.start(image_spec={"type": "image", "image_id": OTHER})
        await switchboard.ended(other)
        wrong = await switchboard.start(parameters={"m": {"value": "x", "secret": False}})
        await switchboard.hears(lambda: switchboard.kinds(wrong) == ["ImageInvalid"])
    assert switchboard.declared() == [("success", "34"), ("success", None)]


async def test_an_image_of_ones_own_type(switchboard: Switchboard, tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "lab.py").write_text(
        "from traffic_tui.runner import Registry\n"
        "registry = Registry()\n"
        "@registry.handler('greet')\n"
        "async def greet(request):\n"
        "    return [request.function_name, request.params['parameters']['who']['value']]\n"
    )
    options = sandboxless(**{IMAGE: ImageSettings("greet")})
    with agent(tmp_path / "agent", switchboard.url, key=TOKEN, handlers="lab:registry", **options):
        await switchboard.connected()
        job_id = await switchboard.start(parameters={"who": {"value": "Ann", "secret": False}})
        await switchboard.ended(job_id)
    assert switchboard.declared(job_id) == [("success", '["greet","Ann"]')]


# signals and refusals --------------------------------------------------------------------------


async def test_the_first_signal_drains(switchboard: Switchboard, tmp_path: Path) -> None:
    images = {IMAGE: shell("echo here; sleep 1; echo done")}
    with agent(tmp_path, switchboard.url, key=TOKEN, **sandboxless(**images)) as running:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        running.signal(signal.SIGINT)
        await running.says("draining: 1 jobs run on")
        assert await running.ends() == 0
    assert switchboard.console(job_id) == b"here\ndone\n"
    assert switchboard.declared(job_id)[0][0] == "success"
    assert switchboard.states(job_id)[-1] == "terminated"


async def test_the_second_signal_stops(switchboard: Switchboard, tmp_path: Path) -> None:
    images = {IMAGE: shell("echo here; trap 'exit 7' TERM; while :; do sleep 0.05; done")}
    with agent(tmp_path, switchboard.url, key=TOKEN, **sandboxless(**images)) as running:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        running.signal()
        await running.says("draining")
        running.signal()
        await running.says("stopping 1 jobs")
        assert await running.ends() == 0
    assert switchboard.declared(job_id) == [("unknown", "the job was cancelled")]
    assert switchboard.states(job_id)[-2:] == ["terminating", "terminated"]


async def test_a_stop_is_a_request_and_then_no_more(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    images = {IMAGE: shell(STUBBORN)}
    with agent(tmp_path, switchboard.url, key=TOKEN, **sandboxless(**images)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        await switchboard.stop(job_id)
        await switchboard.hears(lambda: "terminating" in switchboard.states(job_id))
        assert (await switchboard.ask())["job_state"] == {"state": "terminating"}
        await switchboard.ended(job_id)
        assert await switchboard.ask() == {"type": "idle"}
    assert switchboard.declared(job_id) == []


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        ({"name": ""}, 2, "--name has to be the UUID"),
        ({"name": "bench-1"}, 2, "--name has to be the UUID"),
        ({"key": ""}, 1, "a supervisor's token is needed"),
        ({"key": "c2VjcmV0"}, 1, "the token has 6 bytes"),
        ({"url": "gopher://x"}, 2, "is no switchboard's address"),
        ({"url": "wss://127.0.0.1:9", "ca": "/no/such.pem"}, 1, "the certificates cannot be used"),
        ({"images": {IMAGE: ImageSettings("gpu")}}, 1, "agent.images: there is no handler for"),
    ],
)
async def test_refusals_end_in_words(
    options: dict[str, Any], exit_code: int, words: str, tmp_path: Path
) -> None:
    told = {"url": "ws://127.0.0.1:9", "key": TOKEN, **sandboxless(), **options}
    with agent(tmp_path, told.pop("url"), key=told.pop("key"), **told) as running:
        assert await running.ends() == exit_code
        assert words in running.said()
        assert "Traceback" not in running.said()


async def test_never_reached_ends_with_3(tmp_path: Path) -> None:
    with agent(tmp_path, "ws://127.0.0.1:9", key=TOKEN, **sandboxless()) as running:
        await running.says("ws://127.0.0.1:9: ")
        running.signal()
        assert await running.ends(10) == 3


# our switchboard, killed -----------------------------------------------------------------------


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    made = Service(
        tmp_path,
        more_configuration=(
            f'[[protocols.treadmill.supervisors]]\nid = "{SUPERVISOR}"\n'
            f'token = {{file = "{token}"}}\ntags = ["arm"]\n'
        ),
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def submit(client: httpx.AsyncClient) -> str:
    body = {"type": "image", "params": {"image_id": IMAGE}}
    answer = await client.post("/api/operator/v1/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["job"]["id"])


async def has_printed(client: httpx.AsyncClient, job_id: str, count: int) -> None:
    async def enough() -> bool:
        return len(await output(client, job_id, "console")) >= count

    await until_true(enough)


async def test_kills_of_the_coordinator_cost_nothing(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    image = ImageSettings(command=(sys.executable, "-c", PRINTER), folder=str(folder))
    options = sandboxless(**{IMAGE: image})
    with agent(tmp_path / "a", service.url, key=TOKEN, **options) as running:
        async with service.client("operator") as client:
            job_id = await submit(client)
            for kill in range(3):
                await has_printed(client, job_id, 60_000 * (kill + 1))
                await service.kill()
                await service.start()
            shown = await in_state(client, job_id, "completed", "failed")
            assert shown["job"]["state"] == "completed", shown["job"]
            assert shown["job"]["attempts"] == 1
            lines = (await output(client, job_id, "console")).split()
        running.signal()
        assert await running.ends() == 0
    assert (folder / "runs").read_text() == "run\n"
    assert lines == [b"%07d" % number for number in range(LINES)]


async def test_a_job_that_ends_while_the_coordinator_is_dead(
    service: Service, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    wait = f"echo here; while [ ! -e {gate} ]; do sleep 0.05; done; echo bye"
    image = ImageSettings(command=("/bin/sh", "-c", wait), folder=str(tmp_path))
    with agent(tmp_path / "a", service.url, key=TOKEN, **sandboxless(**{IMAGE: image})) as running:
        async with service.client("operator") as client:
            job_id = await submit(client)
            await has_printed(client, job_id, 5)
            await service.kill()
            gate.touch()
            await running.says("trying again each second")
            await service.start()
            shown = await in_state(client, job_id, "completed", "failed")
            assert shown["job"]["state"] == "completed", shown["job"]
            assert await output(client, job_id, "console") == b"here\nbye\n"


async def test_a_killed_supervisor_has_dropped_its_job(service: Service, tmp_path: Path) -> None:
    image = {IMAGE: shell("echo here; sleep 600")}
    async with service.client("operator") as client:
        with agent(tmp_path / "a", service.url, key=TOKEN, **sandboxless(**image)) as running:
            job_id = await submit(client)
            await has_printed(client, job_id, 5)
            running.signal(signal.SIGKILL)
            await running.ends()
        with agent(tmp_path / "a", service.url, key=TOKEN, **sandboxless(**image)) as running:
            await running.says("serving ws://")

            async def is_made_anew() -> bool:
                return bool((await job(client, job_id))["job"]["attempts"] == 2)

            await until_true(is_made_anew)
            await has_printed(client, job_id, 5)
            attempts = (await job(client, job_id))["attempts"]
            errors = [a["error"]["type"] for a in attempts if a["error"]]
            assert errors == ["supervisor_dropped_job"]
