"""The metadata of a dataset: Minari's file, with what mmrl adds to it."""

from __future__ import annotations

import json
from typing import Any, Final

from mmrl.data.collection import OURS, SavedRequest
from mmrl.data.location import Place
from mmrl.errors import UserError
from mmrl.schema import Count, FileError, OpenSchema, convert, read_json

_SMALLEST: Final = 64  # bytes of an episode


class _Metadata(OpenSchema):
    """What is needed of Minari's ``metadata.json``, to which packages add keys of their own."""

    total_episodes: Count
    total_steps: Count
    data_format: str
    dataset_id: str | None = None
    algorithm_name: str | None = None
    observation_space: str | dict[str, Any] | None = None
    action_space: str | dict[str, Any] | None = None


def read_metadata(place: Place) -> dict[str, Any]:
    """Minari's metadata of a dataset, validated.

    Raises:
        UserError: there is no dataset, it is not complete, or its files do not fit each other.
    """
    if not place.metadata.is_file():
        raise UserError(_why_not(place))
    metadata = read_json(place.metadata, dict[str, Any])
    convert(metadata, _Metadata, str(place.metadata))
    if isinstance(metadata.get(OURS), dict):
        convert(metadata[OURS], SavedRequest, f"{place.metadata}: {OURS}")
    if metadata["data_format"] != "hdf5":
        raise UserError(
            f"dataset {place.name!r} is kept as {metadata['data_format']!r}: only hdf5 is read"
        )
    if not place.main.is_file():
        raise UserError(f"dataset {place.name!r} lacks {place.main}")
    most = place.main.stat().st_size // _SMALLEST
    if metadata["total_episodes"] > most:
        raise FileError(
            f"{place.metadata}: total_episodes is {metadata['total_episodes']}, and {place.main} "
            f"has room for {most} at most: it is damaged"
        )
    return metadata


def _why_not(place: Place) -> str:
    if place.collecting.is_dir():
        return (
            f"dataset {place.name!r} is not complete: call 'mmrl collect' again with the same "
            "arguments to resume"
        )
    if place.path.is_dir():
        return (
            f"{place.path} is no Minari dataset: it lacks {place.metadata.relative_to(place.path)}"
        )
    return f"there is no dataset {place.name!r}: {place.path} does not exist"


def recorded_environment(metadata: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The id and arguments of the environment, as far as the metadata has them; nothing is made."""
    request = metadata.get(OURS)
    if not isinstance(request, dict):
        spec = json_object(metadata.get("env_spec"))
        request = {"env": spec.get("id"), "env_args": spec.get("kwargs")}
    env_id, env_args = request.get("env"), request.get("env_args")
    return (
        env_id if isinstance(env_id, str) else "",
        env_args if isinstance(env_args, dict) else {},
    )


def json_object(text: Any) -> dict[str, Any]:
    """An object in JSON; empty for anything else."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
