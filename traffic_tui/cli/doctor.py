"""``traffic-tui doctor``: is this box fit, and what to do where it is not."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads annotations)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from traffic_tui.cli.command import local, standalone
from traffic_tui.cli.failures import EXIT_FAILED
from traffic_tui.cli.options import (
    CaOption,
    CertificateKeyOption,
    CertificateOption,
    FormatOption,
    JsonOption,
    KeyFileOption,
    UrlOption,
    Where,
)
from traffic_tui.cli.printing import Printer

if TYPE_CHECKING:
    from traffic_tui.cli.finding import Finding
    from traffic_tui.state.glyphs import Span

app = standalone()


@local(app, "doctor", "doctor", "doctor --json")
def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration to check with.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Data folder to check.")
    ] = None,
    output: FormatOption = "table",
    as_json: JsonOption = False,
    url: UrlOption = None,
    key_file: KeyFileOption = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    certificate_key: CertificateKeyOption = None,
) -> None:
    """Check this box: versions, configuration, data, coordinator, isolation, certificates, clock.

    Exits with 1 if something is bad.
    """
    from traffic_tui.cli.checks import check_everything
    from traffic_tui.cli.settings import StartFlags

    flags = StartFlags(config, data_dir)
    where = Where(url, key_file, ca, data_dir, certificate, certificate_key)
    findings = check_everything(flags, where)
    print_findings(Printer.for_stdout("json" if as_json else output), findings)
    if any(finding.verdict == "bad" for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def print_findings(printer: Printer, findings: list[Finding]) -> None:
    """A line each: verdict, what, the words, and what to do."""
    if printer.is_json:
        printer.document({"checks": [finding._asdict() for finding in findings]})
    elif printer.format == "name":
        printer.names(f"{finding.verdict} {finding.what}" for finding in findings)
    else:
        printer.lines(_finding_spans(finding) for finding in findings)


def _finding_spans(finding: Finding) -> list[Span]:
    from traffic_tui.state.formats import clean, fit
    from traffic_tui.state.glyphs import Role, Span

    roles: dict[str, Role] = {"ok": "good", "warn": "warn", "bad": "bad"}
    spans: list[Any] = [
        Span(fit(finding.verdict, 6), roles[finding.verdict]),
        Span(fit(finding.what, 15), "title"),
        Span(clean(finding.words)),
    ]
    if finding.advice:
        spans.append(Span(f"; {clean(finding.advice)}", "muted"))
    return spans
