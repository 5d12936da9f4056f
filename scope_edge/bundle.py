"""A bundle on disk: reading with verification, writing all or nothing.

A bundle is a folder (see the README for its files). `manifest.json` lists every file with its size
and SHA-256; a bundle whose files do not match it is refused. Nothing in it is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scope_edge.errors import BundleError
from scope_edge.index import INDEX_FILE, AnchorIndex
from scope_edge.paths import PATH, is_path
from scope_edge.tensors import map_tensors, tensor_bytes

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Bundle",
    "check_target",
    "default_bundle",
    "encoder_hash",
    "read_bundle",
    "verify",
    "write_bundle",
]

FORMAT_VERSION = (2, 0)
FORMAT = {"format": "scope-edge", "format_version": "2.0", "oldest_reader": "2.0"}
"""What config.json says of a bundle written now."""

HASH_LIMIT = 64 * 2**20
ENCODER_FILES = ("encoder.onnx", "encoder.onnx_data", "tokenizer.json")
_REBUILD = "Get the bundle again, or rebuild it with `scope-edge build`."

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Bundle:
    """The parsed files of a bundle. `models`, `anchors` are empty in one that is only an encoder."""

    path: Path
    manifest: dict[str, Any]
    config: dict[str, Any]
    models: list[dict[str, Any]]
    anchors: Tensors
    anchor_labels: dict[str, Any]
    index_file: Path | None
    fingerprints: Tensors


def default_bundle() -> Path:
    """The folder of the bundle that ships with the package."""
    return Path(__file__).parent / "models" / "default"


def read_bundle(path: str | Path) -> Bundle:
    """Verify and read a bundle.

    Raises
    ------
    BundleError
        Not a bundle; a file is missing, truncated or altered; a newer format; or the fingerprints
        belong to another encoder.
    """
    verify(path, full=False)
    root = Path(path)
    # Before the other files: what is read after a change by others must not pass for what they wrote.
    manifest = _read_json(root / "manifest.json", dict)
    config = _read_json(root / "config.json", dict)
    for field, newest in (("format_version", (FORMAT_VERSION[0], sys.maxsize)), ("oldest_reader", FORMAT_VERSION)):
        needed = _version(config.get(field, "1.0" if field == "oldest_reader" else None), root)
        if needed > newest:
            raise BundleError(
                f"The bundle {root} needs a newer scope-edge",
                expected=f"a format that version {FORMAT_VERSION[0]}.{FORMAT_VERSION[1]} can read",
                got=f"{field} {needed[0]}.{needed[1]}",
                remedy="Run: pip install --upgrade scope-edge",
            )
    if _version(config["format_version"], root)[0] < FORMAT_VERSION[0]:
        raise BundleError(
            f"The bundle {root} is of an older format",
            expected=f"format_version {FORMAT_VERSION[0]}",
            got=str(config["format_version"]),
            remedy=_REBUILD,
        )
    anchors, anchor_meta = _read_tensors(root / "anchors.safetensors")
    fingerprints, meta = _read_tensors(root / "fingerprints.safetensors")
    encoder = config.get("encoder")
    if not isinstance(encoder, dict):
        raise BundleError(f"{root / 'config.json'} has no section 'encoder'", remedy=_REBUILD)
    wanted = encoder.get("hash")
    hashes = {"encoder": encoder_hash(root), "fingerprints": meta.get("encoder_hash")}
    if anchors:
        hashes["anchors"] = anchor_meta.get("encoder_hash")
    for name, found in hashes.items():
        if found != wanted:
            raise BundleError(
                f"The {name} in {root} belong to another encoder than its config",
                expected=str(wanted)[:12],
                got=str(found)[:12],
                remedy="Rebuild the bundle with `scope-edge build`; embeddings of two encoders cannot be mixed.",
            )
    models = _read_json(root / "models.json", list) if (root / "models.json").exists() else []
    index_file = root / INDEX_FILE
    return Bundle(
        root,
        manifest,
        config,
        models,
        anchors,
        anchor_meta.get("labels", {}),
        index_file if index_file.exists() else None,
        fingerprints,
    )


def verify(path: str | Path, *, full: bool = True, progress: Callable[[str], None] | None = None) -> list[str]:
    """Check every file of a bundle against its manifest.

    Parameters
    ----------
    full : bool
        Hash every file. Otherwise files above 64 MB are checked by size alone.
    progress : callable, optional
        Called with the name of each file before it is checked.

    Returns
    -------
    list of str
        The names that were checked.
    """
    if not is_path(path):
        raise BundleError("Not the path of a bundle", expected=PATH, got=repr(path))
    root = Path(path)
    manifest_path = root / "manifest.json"
    if not manifest_path.is_file():
        raise BundleError(
            f"No bundle at {root}",
            expected="a folder with a manifest.json",
            got="an existing folder without one" if root.is_dir() else "nothing there",
            remedy="Give the folder that `scope-edge build` wrote, or leave the path out for the shipped bundle.",
        )
    manifest = _read_json(manifest_path, dict)
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise BundleError(f"{manifest_path} lists no files", remedy=_REBUILD)
    for name, entry in files.items():
        file = root / name
        if progress:
            progress(name)
        if not isinstance(entry, dict) or Path(name).name != name:
            raise BundleError(f"{manifest_path} has a bad entry", got=repr(name), remedy=_REBUILD)
        if not file.is_file():
            raise BundleError(f"The bundle {root} lacks a file", expected=name, got="nothing there", remedy=_REBUILD)
        size = file.stat().st_size
        if size != entry.get("bytes"):
            raise BundleError(
                f"The bundle file {file} has the wrong size",
                expected=f"{entry.get('bytes')} bytes",
                got=f"{size} bytes",
                remedy=_REBUILD,
            )
        if (full or size <= HASH_LIMIT) and _sha256(file) != entry.get("sha256"):
            raise BundleError(
                f"The bundle file {file} was altered",
                expected=f"SHA-256 {str(entry.get('sha256'))[:12]}...",
                got="another one",
                remedy=_REBUILD,
            )
    return list(files)


def write_bundle(
    path: str | Path,
    *,
    config: Mapping[str, Any],
    encoder: Path,
    manifest: Mapping[str, Any] | None = None,
    fingerprints: Mapping[str, NDArray[Any]],
    models: list[dict[str, Any]] | None = None,
    anchors: Mapping[str, NDArray[Any]] | None = None,
    anchor_labels: Mapping[str, Any] | None = None,
    index: AnchorIndex | None = None,
    card: str = "",
) -> dict[str, Any]:
    """Write a bundle beside its destination, then move it into place in one step.

    `encoder` is a folder with the encoder's files; `manifest` is that of the bundle which was read there. An existing
    bundle is replaced; any other existing folder is refused. A link is followed.

    Returns
    -------
    dict
        The manifest that was written.

    Raises
    ------
    BundleError
        The destination cannot be written (for example a full disk), or is the encoder's own bundle and has another
        manifest by now. It is left as it was.
    """
    import secrets

    if encoder_hash(encoder) != config["encoder"]["hash"]:
        raise BundleError(
            f"The encoder in {encoder} is not the one that the bundle was made with",
            expected=str(config["encoder"]["hash"])[:12],
            got=encoder_hash(encoder)[:12] if (encoder / ENCODER_FILES[0]).exists() else "nothing there",
            remedy="Put the folder back as it was, and load it again.",
        )
    target = _real(check_target(path))
    known = manifest if _real(encoder) == target else None
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = target.with_name(f".{target.name}-{os.getpid()}-{secrets.token_hex(4)}")
        staging.mkdir()
        for name in ENCODER_FILES:
            if (encoder / name).exists():
                shutil.copyfile(encoder / name, staging / name)
        marked = {"encoder_hash": str(config["encoder"]["hash"])}
        (staging / "fingerprints.safetensors").write_bytes(tensor_bytes(fingerprints, _metadata(marked)))
        if anchors is not None:
            labelled = {**marked, "labels": anchor_labels or {}}
            data = tensor_bytes(anchors, _metadata(labelled), first="codes")
            (staging / "anchors.safetensors").write_bytes(data)
        if index is not None:
            index.save(staging / INDEX_FILE)
        if models is not None:
            _write_json(staging / "models.json", models)
        _write_json(staging / "config.json", dict(config))
        if card:
            (staging / "README.md").write_text(card, encoding="utf-8")
        listed = {
            file.name: {"sha256": _sha256(file), "bytes": file.stat().st_size} for file in sorted(staging.iterdir())
        }
        written = {"files": listed}
        _write_json(staging / "manifest.json", written)
        for file in staging.iterdir():
            _sync(file)
        _move_into_place(staging, target, known)
        return written
    except OSError as error:
        raise BundleError(
            f"Cannot write the bundle {target}", got=str(error), remedy="What was there before is unchanged."
        ) from error
    finally:
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)


def check_target(path: str | Path) -> Path:
    """The absolute path of a bundle to write: nothing there yet, an empty folder, or a bundle.

    Raises
    ------
    BundleError
        It is no path, something else is there, one may not look, or nothing can be written there.
    """
    if not is_path(path):
        raise BundleError("Not the path of a bundle", expected=PATH, got=repr(path))
    try:
        target = Path(path).absolute()
        free = not target.exists() or (target / "manifest.json").is_file() or _is_empty(target)
    except OSError as error:
        raise BundleError(f"Cannot write the bundle {path}", got=str(error)) from error
    if not free:
        raise BundleError(f"{target} exists and is not a bundle", remedy="Give a new folder, or remove this one first.")
    above = next((folder for folder in target.parents if folder.exists()), target)
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise BundleError(
            f"Cannot write the bundle {target}",
            expected="a place in a folder that may be written",
            got=f"{above}, which {'may not be' if above.is_dir() else 'is no folder'}",
            remedy="Give another place.",
        )
    return target


def encoder_hash(folder: Path) -> str:
    """One hash over the encoder's files: embeddings agree exactly when it does."""
    hasher = hashlib.sha256()
    for name in ENCODER_FILES:
        file = folder / name
        if file.exists():
            hasher.update(name.encode() + bytes.fromhex(_sha256(file)))
    return hasher.hexdigest()


def _move_into_place(staging: Path, target: Path, known: Mapping[str, Any] | None) -> None:
    """Put the bundle where it belongs; known: the manifest of the one that may stand there, None for any."""
    if known is None and not target.exists():
        os.rename(staging, target)
        return
    old = staging.with_name(staging.name + "-old")
    try:
        os.rename(target, old)
    except FileNotFoundError:
        raise _changed(target) from None  # another process is at this very step
    try:
        # Only now, when nobody else can change it any more.
        if known is not None and _read_json(old / "manifest.json", dict) != known:
            raise _changed(target)
        os.rename(staging, target)
    except (OSError, BundleError):
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _changed(target: Path) -> BundleError:
    return BundleError(
        f"The bundle {target} has changed since it was read",
        remedy="Run it again, or load it and make the change again; nothing was written.",
    )


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(file: Path, kind: type) -> Any:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"Cannot read {file}", got=str(error), remedy=_REBUILD) from error
    if not isinstance(value, kind):
        raise BundleError(f"{file} is malformed", expected=kind.__name__, got=type(value).__name__, remedy=_REBUILD)
    return value


def _metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """One entry, so that the file's bytes do not depend on the order of several."""
    return {"scope_edge": json.dumps(values, ensure_ascii=False, separators=(",", ":"))}


def _read_tensors(file: Path) -> tuple[Tensors, dict[str, Any]]:
    if not file.exists():
        return {}, {}
    try:
        tensors, metadata = map_tensors(file)
        ours = json.loads(metadata.get("scope_edge", "{}"))
        if not isinstance(ours, dict):
            raise ValueError(f"metadata is {type(ours).__name__}")
        return tensors, ours
    except (OSError, ValueError) as error:
        raise BundleError(f"Cannot read {file}", got=str(error), remedy=_REBUILD) from error


def _version(text: Any, root: Path) -> tuple[int, int]:
    try:
        major, minor = str(text).split(".")
        return int(major), int(minor)
    except ValueError:
        raise BundleError(
            f"The bundle {root} has no readable format version", got=repr(text), remedy=_REBUILD
        ) from None
