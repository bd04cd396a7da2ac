"""The hub: exported runs and datasets as its repositories, through ``huggingface_hub``.

Only files of kinds that mmrl writes are downloaded, and none of them runs code. Tokens are those of
``hf auth login``; they are never read here.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mmrl.data.location import DATA, METADATA
from mmrl.errors import UserError
from mmrl.experiment.run import CONFIG
from mmrl.files import atomic_folder
from mmrl.sharing.names import HubName
from mmrl.sharing.target import check_target
from mmrl.text_output import printable, shortened
from mmrl.trust import SIGNATURE

MODEL: Final = "model"
DATASET: Final = "dataset"
_KINDS: Final = (
    ".yaml", ".json", ".md", ".gif", ".png", ".safetensors", ".npz", ".onnx", ".hdf5",
)  # fmt: skip
"""Endings of the files that mmrl writes."""
_PATTERNS: Final = [f"*{kind}" for kind in _KINDS]
_OLD: Final = ["checkpoints/*", "onnx/*"]
"""Files of an earlier upload that a new one does not replace by their names."""
_NEEDED: Final = {MODEL: CONFIG, DATASET: f"{DATA}/{METADATA}"}
_CALLED: Final = {MODEL: "run", DATASET: "dataset"}
_SHOWN: Final = 50_000_000  # bytes of a download with a progress bar


def download(name: HubName, kind: str = MODEL) -> Path:
    """A repository in the hub's cache, with every file as large as the hub lists it.

    Args:
        name: of the repository.
        kind: MODEL or DATASET.

    Raises:
        UserError: it cannot be had: why, and what to do.
    """
    with _explained(name, kind):
        import huggingface_hub
        from huggingface_hub.errors import OfflineModeIsEnabled

        api = huggingface_hub.HfApi(library_name="mmrl")
        try:
            info = api.repo_info(
                name.repo, revision=name.revision, repo_type=kind, files_metadata=True
            )
        except OfflineModeIsEnabled:
            return _cached(name, kind)
        except Exception as error:
            if not _is_out_of_reach(error):
                raise
            path = _cached(name, kind)
            warnings.warn(f"the hub cannot be reached: using the last copy of {name}", stacklevel=2)
            return path
        listed = getattr(info, "siblings", None) or ()
        sizes = _wanted(name, {one.rfilename: one.size for one in listed})
        if _NEEDED[kind] not in sizes:
            raise UserError(f"{name} is no {_CALLED[kind]} of mmrl: it lacks {_NEEDED[kind]}")
        missing = _missing(name, kind, str(info.sha), sizes)
        with _progress(name, sum(missing), "downloading") if missing else nullcontext():
            path = Path(
                huggingface_hub.snapshot_download(
                    name.repo, revision=name.revision, repo_type=kind, allow_patterns=list(sizes)
                )
            )
    _check_sizes(path, sizes, name)
    return path


def pull(
    name: HubName, folder: Path | None = None, *, kind: str = MODEL, force: bool = False
) -> Path:
    """A repository as a folder of its own, written whole or not at all.

    Args:
        name: of the repository.
        folder: to write; one of its name in the working directory, if None.
        kind: MODEL or DATASET.
        force: replace the folder, if it is an exported run or a dataset.

    Raises:
        UserError: as :func:`download`, or the folder exists.
        WriteError: the folder cannot be written; what was there is as it was.
    """
    target = folder or Path(name.repo.partition("/")[2])
    check_target(target, force=force)
    source = download(name, kind)
    with atomic_folder(target) as draft:
        shutil.copytree(source, draft, dirs_exist_ok=True)  # what links point to
    return target


def push(folder: Path, name: HubName, *, kind: str = MODEL, private: bool = False) -> str:
    """Upload an exported folder; the repository is made if there is none.

    Args:
        folder: to upload: files of kinds that mmrl writes, without the user's own signature.
        name: of the repository; its revision, if there is one, is a branch that exists.
        kind: MODEL or DATASET.
        private: make a new repository private.

    Returns:
        The address of the repository.

    Raises:
        UserError: the hub cannot be reached, or does not let this user write there.
    """
    with _explained(name, kind, uploads=True):
        import huggingface_hub

        api = huggingface_hub.HfApi(library_name="mmrl")
        url = api.create_repo(name.repo, repo_type=kind, private=private or None, exist_ok=True)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        with _progress(name, size, "uploading"):
            api.upload_folder(
                repo_id=name.repo,
                folder_path=folder,
                repo_type=kind,
                revision=name.revision,
                allow_patterns=_PATTERNS,
                ignore_patterns=[SIGNATURE, "episodes/*"],
                delete_patterns=_OLD if kind == MODEL else None,
                commit_message="Upload by mmrl push",
            )
    return str(url)


def _cached(name: HubName, kind: str) -> Path:
    """The copy of a repository in the cache."""
    import huggingface_hub

    return Path(
        huggingface_hub.snapshot_download(
            name.repo, revision=name.revision, repo_type=kind, local_files_only=True
        )
    )


def _missing(name: HubName, kind: str, commit: str, sizes: dict[str, int]) -> list[int]:
    """The sizes of the files that are not in the cache."""
    import huggingface_hub

    def is_there(file: str) -> bool:
        found = huggingface_hub.try_to_load_from_cache(
            name.repo, file, revision=commit, repo_type=kind
        )
        return isinstance(found, str)

    return [size for file, size in sizes.items() if not is_there(file)]


def _wanted(name: HubName, listed: dict[str, int | None]) -> dict[str, int]:
    """The files to download and their sizes; others are named in one line.

    Raises:
        UserError: a path that leaves the folder.
    """
    wanted, others = {}, []
    for path, size in listed.items():
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts or "\\" in path:
            raise UserError(f"{name} lists a file outside of its folder: {printable(path)}")
        if place.suffix in _KINDS and place.name != SIGNATURE and size is not None:
            wanted[path] = size
        elif path != ".gitattributes":
            others.append(path)
    if others:
        shown = printable(", ".join(sorted(others)[:4])) + (" …" if len(others) > 4 else "")
        print(f"not downloaded, as mmrl reads no such files: {shown}", file=sys.stderr)
    return wanted


def _check_sizes(path: Path, sizes: dict[str, int], name: HubName) -> None:
    for file, size in sizes.items():
        found = (path / file).stat().st_size if (path / file).is_file() else None
        if found != size:
            raise UserError(
                f"{name}: {printable(file)} has {found or 0:,} bytes here and {size:,} on the hub: "
                f"remove {path} and download it again"
            )


@contextmanager
def _progress(name: HubName, size: int, what: str) -> Iterator[None]:
    """One line, and the hub's own progress bars for much data alone."""
    bars: Any = import_module("huggingface_hub.utils.tqdm")
    print(f"{what} {name} ({max(size / 1e6, 0.1):.1f} MB)", file=sys.stderr)
    if size > _SHOWN or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether an error is of the network, and not an answer of the hub."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError", "Timeout", "OfflineModeIsEnabled"})


@contextmanager
def _explained(name: HubName, kind: str, *, uploads: bool = False) -> Iterator[None]:
    """Within the block, an error of the hub is a :class:`UserError` of one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of any kind: of the hub, of its HTTP client, of the disk
        raise UserError(_reason(name, kind, error, uploads=uploads)) from error


def _reason(name: HubName, kind: str, error: Exception, *, uploads: bool) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"{name}: its owner has to let you in first: ask on its page, then 'hf auth login'"
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no folder {name}, and no {kind} {name.repo} on the hub that you may use: "
            "check the name; for a private one, log in by 'hf auth login'"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name.repo} has no revision {name.revision or 'main'!r}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"{name}: the hub does not let you do this ({status}): log in by 'hf auth login'"
    offline = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)
    if isinstance(error, offline) or _is_out_of_reach(error):
        if uploads:
            return f"{name}: the hub cannot be reached: it needs a network, and no HF_HUB_OFFLINE"
        return (
            f"there is no folder {name}, and the hub cannot be reached, nor is {name} in its "
            "cache: give a folder, or call this once with a network and without HF_HUB_OFFLINE"
        )
    return f"{name}: {type(error).__name__}: {shortened(error)}"
