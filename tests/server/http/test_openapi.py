"""The document says what is served: one table makes both."""

from __future__ import annotations

from pathlib import Path

import jsonschema  # type: ignore[import-untyped]

from server.http.openapi import document, operation_id
from server.http.operator_routes import ROUTES
from server.http.reference import markdown
from server.http.routes import PREFIX
from tests.server.http.world import served


async def test_the_document_is_served_and_has_every_route() -> None:
    async with served() as world:
        served_document = (await world.http.get("/openapi.json")).json()
    listed = {
        (method.upper(), path)
        for path, operations in served_document["paths"].items()
        for method in operations
    }
    assert listed == {(route.method, PREFIX + route.path) for route in ROUTES}
    assert set(served_document["paths"]) == set(document(ROUTES, "any")["paths"])


def test_the_page_for_people_is_made_from_the_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "operator-api.md"
    assert page.read_text(encoding="utf-8") == markdown()


def test_operations_have_names_of_their_own() -> None:
    names = [operation_id(route) for route in ROUTES]
    assert len(set(names)) == len(names)


def test_every_schema_is_sound_and_every_reference_leads_somewhere() -> None:
    whole = document(ROUTES, "1")
    schemas = whole["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in references(whole):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [one for part in value.values() for one in references(part)]
    if isinstance(value, list):
        return [one for part in value for one in references(part)]
    return []


def test_path_parameters_are_those_of_the_path() -> None:
    for path, operations in document(ROUTES, "1")["paths"].items():
        for operation in operations.values():
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}
