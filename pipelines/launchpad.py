"""Config schemas of the assets as Dagster's launchpad shows them, from the library's own config types.

Dagster drops the ranges of pydantic's fields. Here each field tells its default and range, and the whole
config is checked before a run is launched: a wrong value is an error of the launchpad, not of the run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, get_args

import annotated_types as at
import dagster as dg
from dagster._config import ConfigType, PostProcessingError
from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo

from palm_assets.errors import ConfigError
from palm_assets.release.run_config import config_error, parse_config


def config_schema(
    owner: str, config_type: type[BaseModel], defaults: Mapping[str, Any] | None = None
) -> dg.Field:
    """The schema of the config of an asset or a resource.

    Args:
        owner: its name.
        config_type: of the library.
        defaults: values of fields that replace those of the type; {"env": NAME} is read at launch.
    """
    about = inspect.getdoc(config_type)
    inferred: Any = type(config_type.__name__, (config_type, dg.Config), {"__doc__": about})
    fields = {}
    for name, field in inferred.to_fields_dict().items():
        one_field = FieldCheck(owner, config_type, name)
        info, given = config_type.model_fields[name], (defaults or {})
        default = given[name] if name in given else info.get_default(call_default_factory=True)
        fields[name] = dg.Field(
            checked(field.config_type, one_field.problem),
            default_value=default,
            is_required=False,
            description=field_description(info, default),
        )
    shape: ConfigType = dg.Shape(fields, description=about)  # type: ignore[no-untyped-call]
    shape = checked(shape, partial(problem, owner, config_type))
    return dg.Field(shape, description=about)


def checked(config_type: ConfigType, find_problem: Callable[[Any], str]) -> ConfigType:
    """A config type like this one, whose values are errors before the launch if a problem is found."""
    result: ConfigType = object.__new__(type(config_type))
    vars(result).update(vars(config_type))

    def post_process(value: object) -> object:
        processed: object = config_type.post_process(value)  # type: ignore[no-untyped-call]
        if found := find_problem(processed):
            raise PostProcessingError(found)
        return processed

    result.post_process = post_process  # type: ignore[method-assign]
    return result


def problem(owner: str, config_type: type[BaseModel], values: Mapping[str, Any]) -> str:
    """What is wrong with the values of a config; "" if nothing is."""
    try:
        parse_config(owner, config_type, values)
    except ConfigError as error:
        return str(error)
    return ""


class FieldCheck:
    """Checks a single field of a config, so that the launchpad names its place."""

    def __init__(self, owner: str, config_type: type[BaseModel], name: str) -> None:
        self._owner, self._type, self._name = owner, config_type, name

    @cached_property
    def _alone(self) -> type[BaseModel]:
        """A model with this field only; not made before it is needed, as that takes time at each start."""
        info = self._type.model_fields[self._name]
        alone: type[BaseModel] = create_model(self._name, **{self._name: (info.annotation, info)})  # type: ignore[call-overload]
        return alone

    def problem(self, value: object) -> str:
        """What is wrong with a value; "" if nothing is."""
        try:
            self._alone(**{self._name: value})
        except ValidationError as error:
            return str(config_error(self._owner, self._type, error))
        return ""


def field_description(info: FieldInfo, default: object) -> str:
    """What a field does, its default and its range, as sentences."""
    what = (info.description or "").strip().rstrip(".")
    sentences = [what[:1].upper() + what[1:], f"Default: {_shown(default)}"]
    allowed = field_range(info)
    return ". ".join([*sentences, *([allowed] if allowed else [])]) + "."


def field_range(info: FieldInfo) -> str:
    """The values that a number may have, or a text must match; "" if all are allowed."""
    found = []
    for rule in info.metadata:
        match rule:
            case at.Ge(ge=bound):
                found.append(f"at least {bound:g}")
            case at.Gt(gt=bound):
                found.append(f"above {bound:g}")
            case at.Le(le=bound):
                found.append(f"at most {bound:g}")
            case at.Lt(lt=bound):
                found.append(f"below {bound:g}")
            case at.MultipleOf(multiple_of=bound):
                found.append(f"a multiple of {bound:g}")
            case _ if getattr(rule, "pattern", None):
                found.append(f"matching {rule.pattern}")
    choices = [str(choice) for choice in get_args(info.annotation) if isinstance(choice, str)]
    found += [f"one of {', '.join(choices)}"] if choices else []
    return f"Allowed: {', '.join(found)}" if found else ""


def _shown(default: object) -> str:
    if isinstance(default, dict) and set(default) == {"env"}:
        return f"the environment variable {default['env']}"
    if default is None or default in ("", []):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ", ".join(map(str, default))
    return str(default)
