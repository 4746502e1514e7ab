"""What this box permits to keep commands apart: found out by trying, and put back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.cli.finding import Finding

if TYPE_CHECKING:
    from server.settings import AgentSettings
    from traffic_tui.cli.finding import Verdict
    from traffic_tui.runner.sandbox.sandbox import Sandbox

ROOMS = "isolation"
LIMITS = "limits"
LIMITED = ("memory", "pids", "cpu", "io")
ADVICE_ROOMS = (
    "run the agent as root, or permit user namespaces (user.max_user_namespaces, and what "
    "AppArmor or the container around it forbids)"
)
ADVICE_LIMITS = "run the agent as root, or as a service of its own with Delegate=yes"


def isolation_findings(settings: AgentSettings) -> list[Finding]:
    """Of namespaces, and of control groups. Trouble counts only where commands are allowed."""
    from traffic_tui.runner.sandbox.sandbox import Sandbox, SandboxOptions

    sandbox = Sandbox(SandboxOptions("auto", settings.limits, settings.show, settings.share))
    try:
        sandbox.open()
        return [rooms_finding(settings, sandbox.why_not), limits_finding(settings, sandbox)]
    finally:
        sandbox.close()


def rooms_finding(settings: AgentSettings, why_not: str) -> Finding:
    """Whether commands get namespaces here."""
    from traffic_tui.runner.sandbox.confinement import SPACES

    if settings.isolation == "off":
        can = "not permitted here either" if why_not else "this box would permit it"
        return Finding("ok", ROOMS, f"switched off (agent.isolation); {can}")
    if not why_not:
        return Finding("ok", ROOMS, f"commands get namespaces of their own: {SPACES}")
    verdict = _verdict(settings)
    if settings.isolation == "require":
        words = f"not permitted: {why_not}; agent.isolation requires it, so no command runs here"
        return Finding("bad" if settings.allow_command else verdict, ROOMS, words, ADVICE_ROOMS)
    words = f"not permitted: {why_not}; commands run with a process group around them, no more"
    return Finding(verdict, ROOMS, words, ADVICE_ROOMS)


def limits_finding(settings: AgentSettings, sandbox: Sandbox) -> Finding:
    """By what limits are held here."""
    versions = {name: sandbox.version_of(name) for name in LIMITED}
    held = [f"{name} by cgroup v{version}" for name, version in versions.items() if version]
    missing = [name for name, version in versions.items() if version is None]
    if not missing:
        return Finding("ok", LIMITS, ", ".join(held))
    why = "; ".join(problem for problem in sandbox.problems() if "namespaces" not in problem)
    words = f"{', '.join(held) or 'none by control groups'}; not {', '.join(missing)}: {why}"
    return Finding(_verdict(settings), LIMITS, words, ADVICE_LIMITS)


def _verdict(settings: AgentSettings) -> Verdict:
    """Nobody has to mend what is not used."""
    return "warn" if settings.allow_command else "ok"
