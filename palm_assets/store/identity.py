"""Identity of an artifact: what it was made from and how, as far as that can change what is made.

A config says of each of its fields whether it belongs to the identity: all do but those that are declared
with `operational`. A config whose fields matter only sometimes overrides `StageConfig.identity`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_MARK = "identity"


def operational(default: Any, *, reason: str, **settings: Any) -> Any:
    """A pydantic field that cannot change what a stage makes, or that its inputs stand for.

    Args:
        default: of the field.
        reason: why it is no part of the identity, one clause; it is shown in the table of all fields.
        settings: of `pydantic.Field`.
    """
    return Field(default, json_schema_extra={_MARK: False, "identity_reason": reason}, **settings)


class StageConfig(BaseModel):
    """Base of the configs of all stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, Any]:
        """The fields that can change what the stage makes, in a form of their own for equal meanings."""
        left_out = operational_fields(type(self))
        return {name: value for name, value in self.model_dump(mode="json").items() if name not in left_out}


def operational_fields(config_type: type[BaseModel]) -> dict[str, str]:
    """The fields that are never part of the identity, each with the reason."""
    found = {}
    for name, field in config_type.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get(_MARK) is False:
            found[name] = str(extra["identity_reason"])
    return found


def version_of(kind: str, inputs: Mapping[str, str], config: BaseModel, code_version: str) -> str:
    """12 hex digits: a hash of everything that determines the artifact."""
    identity = config.identity() if isinstance(config, StageConfig) else config.model_dump(mode="json")
    made_of = [kind, sorted(inputs.items()), identity, code_version]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
