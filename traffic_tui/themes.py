"""Themes: read from TOML, checked, and handed to Textual."""

from __future__ import annotations

FALLBACK_VARIABLES: dict[str, str] = {
    "state-active": "#4fb8e0",
    "state-active-style": "none",
    "state-waiting": "#d8d8d8",
    "state-waiting-style": "none",
    "state-good": "#66c266",
    "state-good-style": "none",
    "state-warn": "#e0b84f",
    "state-warn-style": "none",
    "state-bad": "#ff7a70",
    "state-bad-style": "bold",
    "state-muted": "#9a9a9a",
    "state-muted-style": "none",
    "state-place": "#9a9a9a",
    "state-place-style": "reverse",
}
