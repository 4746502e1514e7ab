"""The OpenAPI document, made from the route table and the messages' own types."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from server.http.routes import PREFIX
from server.roles import POWERS
from server.wire.operator import ErrorBody

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.http.routes import Route

JSON = "application/json"
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole document as plain values."""
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schemas, components)
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation
    queries = {route.query.__name__ for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "traffic-tui operator API",
            "version": version,
            "description": "Jobs, runners, queues, events and keys of one coordinator. "
            "Times are milliseconds since the epoch, 0 where there is none.",
        },
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: body for name, body in components.items() if name not in queries},
        },
    }


def _schemas(routes: Iterable[Route]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Schemas by a type's own words, and all components they refer to."""
    types: list[Any] = [ErrorBody]
    for route in routes:
        types.extend(kind for kind in (*route.answers, route.body, route.query) if kind is not None)
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    return {str(kind): schema for kind, schema in zip(types, found, strict=True)}, components


def _operation(route: Route, schemas: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": operation_id(route),
        "description": f"For keys with the role {_roles(route)}.",
        "parameters": [*_path_parameters(route), *_query_parameters(route, components)],
        "responses": _responses(route, schemas),
    }
    operation["parameters"] += [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": words}
        for name, words in route.request_headers.items()
    ]
    if route.body is not None:
        operation["requestBody"] = {
            "required": not route.body_is_optional,
            "content": {JSON: {"schema": schemas[str(route.body)]}},
        }
    return operation


def operation_id(route: Route) -> str:
    """A name for the call, for example ``post_jobs_job_stop``."""
    words = route.path.replace("{", "").replace("}", "").replace("-", "_").split("/")
    return "_".join([route.method.lower(), *filter(None, words)])


def _roles(route: Route) -> str:
    return ", ".join(role for role, powers in POWERS.items() if route.power in powers)


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    properties: dict[str, Any] = components[route.query.__name__].get("properties", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in properties.items()
    ]


def _responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    content: dict[str, Any] = {}
    if route.answers:
        choices = [schemas[str(kind)] for kind in route.answers]
        content[JSON] = {"schema": choices[0] if len(choices) == 1 else {"anyOf": choices}}
    if route.content_type:
        content[route.content_type] = {}
    if content:
        good["content"] = content
    if route.headers:
        good["headers"] = {
            name: {"description": words, "schema": {"type": "string"}}
            for name, words in route.headers.items()
        }
    responses = {str(route.status): good}
    for status in route.extra_statuses:
        if status < 400:
            responses[str(status)] = {**good, "description": HTTPStatus(status).phrase}
    error = {"content": {JSON: {"schema": schemas[str(ErrorBody)]}}}
    for status in route.error_statuses():
        responses[str(status)] = {"description": HTTPStatus(status).phrase, **error}
    return responses
