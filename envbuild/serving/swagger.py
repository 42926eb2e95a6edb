"""The service's description as Swagger 2.0, OpenAPI 3.0 and OpenAPI 3.1, with the documented operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping

from .failures import RequestError
from .schema import Schema
from .settings import Settings

VERSIONS = {"2": "2.0", "3": "3.0.3", "3.1": "3.1.0"}
_FAILED = "The service failed to execute due to an error."
_BEARER = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "For example: Bearer abc123"}
_ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}
_ANY = {"type": "object", "example": {}}
Document = Dict[str, Any]


class SwaggerDocuments:
    """The documents of one service, written once and kept as bytes."""

    def __init__(self, settings: Settings, schema: Schema | None, example: Any = None) -> None:
        """Take what describes the service: the schema of run() if it has one, or an example of a request."""
        self._settings = settings
        self._schema = schema
        self._input = schema.input if schema else {"type": "object", "example": example or {}}
        self._made: dict[str, bytes] = {}

    def read(self, version: str) -> bytes:
        """Return the document of a version: the user's own file if there is one, else ours.

        Raises:
            RequestError: 404 for a version that there is none of.
        """
        if version not in VERSIONS:
            raise RequestError(404, f"Swagger version [{version}] is not valid. Supported versions: [2, 3, 3.1].")
        if version not in self._made:
            own = self._own_file(version)
            self._made[version] = own.read_bytes() if own else json.dumps(self._document(version)).encode("utf-8")
        return self._made[version]

    def _own_file(self, version: str) -> Path | None:
        names = {"2": ("swagger2.json", "swagger.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
        places = (self._settings.app_root / name for name in names[version])
        return next((place for place in places if place.is_file()), None)

    def _document(self, version: str) -> Document:
        if self._schema is not None and version not in {
            str(known)[:3].replace(".0", "") for known in self._schema.versions
        }:
            raise RequestError(404, f"The types of this service cannot be described in version {version}.")
        service = self._settings
        info = {
            "title": service.service_name,
            "description": f"API specification for the Azure Machine Learning service {service.service_name}",
            "version": service.service_version,
        }
        schemas = {
            "ServiceInput": _described(self._input),
            "ServiceOutput": _described(self._schema.output if self._schema else {}),
            "ErrorResponse": _ERROR,
        }
        make = swagger2 if version == "2" else openapi3
        return make(VERSIONS[version], info, service.path_prefix, schemas)


def _described(schema: Mapping[str, Any]) -> Document:
    """Return the schema of a decorator; any object where there is none."""
    return dict(schema) if set(schema) - {"type"} else dict(_ANY)


def swagger2(version: str, info: Document, prefix: str, schemas: Document) -> Document:
    """Lay the description out as Swagger 2.0."""
    error = {"description": _FAILED, "schema": {"$ref": "#/definitions/ErrorResponse"}}

    def answers(description: str, **content: Any) -> Document:
        return {"200": {"description": description, **content}, "default": error}

    health = answers(_HEALTHY, schema={"type": "string"}, examples={"application/json": "Healthy"})
    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": _PAYLOAD,
        "schema": _ref("definitions", "Input"),
    }
    choice = {"name": "version", "in": "query", "required": False, "type": "string", "enum": list(VERSIONS)}
    return {
        "swagger": version,
        "info": info,
        "schemes": ["https", "http"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": {
            f"{prefix}/": {"get": _operation("ServiceHealthCheck", health)},
            f"{prefix}/score": {
                "post": {
                    **_operation("RunMLService", answers(_SCORED, schema=_ref("definitions", "Output"))),
                    "security": [{"Bearer": []}],
                    "parameters": [payload],
                }
            },
            f"{prefix}/swagger.json": {
                "get": {
                    **_operation("GetSwaggerSpec", answers(_SPEC, schema={"type": "object"})),
                    "parameters": [choice],
                }
            },
        },
        "definitions": schemas,
    }


def openapi3(version: str, info: Document, prefix: str, schemas: Document) -> Document:
    """Lay the description out as OpenAPI 3.0 or 3.1."""

    def content(schema: Document, kind: str = "application/json") -> Document:
        return {"content": {kind: {"schema": schema}}}

    error = {"description": _FAILED, **content({"$ref": "#/components/schemas/ErrorResponse"})}

    def answers(description: str, body: Document) -> Document:
        return {"200": {"description": description, **body}, "default": error}

    health = answers(_HEALTHY, content({"type": "string", "example": "Healthy"}, "text/html"))
    choice = {"name": "version", "in": "query", "required": False, "schema": {"type": "string", "enum": list(VERSIONS)}}
    return {
        "openapi": version,
        "info": info,
        "paths": {
            f"{prefix}/": {"get": _operation("ServiceHealthCheck", health)},
            f"{prefix}/score": {
                "post": {
                    **_operation("RunMLService", answers(_SCORED, content(_ref("components/schemas", "Output")))),
                    "security": [{"Bearer": []}],
                    "requestBody": {"description": _PAYLOAD, **content(_ref("components/schemas", "Input"))},
                }
            },
            f"{prefix}/swagger.json": {
                "get": {
                    **_operation("GetSwaggerSpec", answers(_SPEC, content({"type": "object"}))),
                    "parameters": [choice],
                }
            },
        },
        "components": {"schemas": schemas, "securitySchemes": {"Bearer": _BEARER}},
    }


_HEALTHY = "If service is up and running, this response will be returned with the content 'Healthy'"
_PAYLOAD = "The input payload for executing the real-time machine learning service."
_SCORED = "The service processed the input correctly and provided a result prediction, if applicable."
_SPEC = "The Swagger specification."
_DESCRIPTIONS = {
    "ServiceHealthCheck": "Simple health check endpoint to ensure the service is up at any given point.",
    "RunMLService": "Run web service's model and get the prediction output",
    "GetSwaggerSpec": "Get the Swagger specification.",
}


def _ref(place: str, name: str) -> Document:
    return {"$ref": f"#/{place}/Service{name}"}


def _operation(name: str, responses: Document) -> Document:
    return {"operationId": name, "description": _DESCRIPTIONS[name], "responses": responses}
