"""``traffic-tui jobs``: everything about jobs."""

from __future__ import annotations

from traffic_tui.cli import jobs_act, jobs_read, jobs_start, jobs_submit
from traffic_tui.cli.command import group

app = group("Start, submit, list, watch, stop and move jobs.", "jobs list state:failed")
app.add_typer(jobs_start.app, name="start")
jobs_submit.declare(app)
jobs_read.declare(app)
jobs_act.declare(app)
