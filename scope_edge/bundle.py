"""A bundle on disk: reading with verification, writing all or nothing.

A bundle is a folder (see the README for its files). `manifest.json` lists every file with its size
and SHA-256; a bundle whose files do not match it is refused. Nothing in it is a pickle.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scope_edge.bundle_files import REBUILD, Tensors, metadata, read_json, read_tensors, sha256, sync, write_json
from scope_edge.errors import BundleError
from scope_edge.index import INDEX_FILE, AnchorIndex
from scope_edge.paths import PATH, is_path
from scope_edge.replacing import PAUSE_S, TRIES, WINDOWS, changed, is_being_replaced, move_into_place
from scope_edge.tensors import tensor_bytes

__all__ = [
    "BENCHMARKS_FILE",
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
BENCHMARKS_FILE = "benchmarks.json"
ENCODER_FILES = ("encoder.onnx", "encoder.onnx_data", "tokenizer.json")


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

    @cached_property
    def benchmarks(self) -> dict[str, Any] | None:
        """The linked benchmarks, read when somebody asks; None in a bundle without.

        Raises
        ------
        BundleError
            The folder no longer holds what was loaded from it.
        """
        file, listed = self.path / BENCHMARKS_FILE, self.manifest["files"].get(BENCHMARKS_FILE)
        if listed is None:
            return None
        found: dict[str, Any] = read_json(file, dict)
        if sha256(file) != listed["sha256"]:
            raise BundleError(f"{file} is of another bundle than the one that was loaded", remedy="Load it again.")
        return found

    def is_current(self) -> bool:
        """Whether the folder still holds this bundle."""
        try:
            current: bool = read_json(self.path / "manifest.json", dict) == self.manifest
            return current
        except BundleError:
            return False


def default_bundle() -> Path:
    """The folder of the bundle that ships with the package."""
    return Path(__file__).parent / "models" / "default"


def read_bundle(path: str | Path) -> Bundle:
    """Verify and read a bundle; of one that is replaced meanwhile, either the old or the new one.

    Raises
    ------
    BundleError
        Not a bundle; a file is missing, truncated or altered; a newer format; or the fingerprints
        belong to another encoder.
    """
    for left in range(TRIES, -1, -1):
        before = _manifest_bytes(path)
        try:
            bundle = _read(path)
            if before == _manifest_bytes(path):
                return bundle
        except (BundleError, OSError):
            if not left or (before == _manifest_bytes(path) and not is_being_replaced(path)):
                raise
        time.sleep(PAUSE_S)
    raise changed(Path(path))


def _read(path: str | Path) -> Bundle:
    sums = _verified(path, full=False)
    root = Path(path).absolute()
    # Before the other files: what is read after a change by others must not pass for what they wrote.
    manifest = read_json(root / "manifest.json", dict)
    config = read_json(root / "config.json", dict)
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
            remedy=REBUILD,
        )
    anchors, anchor_meta = read_tensors(root / "anchors.safetensors")
    fingerprints, meta = read_tensors(root / "fingerprints.safetensors")
    encoder = config.get("encoder")
    if not isinstance(encoder, dict):
        raise BundleError(f"{root / 'config.json'} has no section 'encoder'", remedy=REBUILD)
    wanted = encoder.get("hash")
    hashes = {"encoder": encoder_hash(root, sums), "fingerprints": meta.get("encoder_hash")}
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
    models = read_json(root / "models.json", list) if (root / "models.json").exists() else []
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
    return list(_verified(path, full=full, progress=progress))


def _verified(path: str | Path, *, full: bool, progress: Callable[[str], None] | None = None) -> dict[str, str | None]:
    """The names of the files that were checked, with the SHA-256 of those that were hashed."""
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
    manifest = read_json(manifest_path, dict)
    files = manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise BundleError(f"{manifest_path} lists no files", remedy=REBUILD)
    sums: dict[str, str | None] = {}
    for name, entry in files.items():
        file = root / name
        if progress:
            progress(name)
        if not isinstance(entry, dict) or Path(name).name != name:
            raise BundleError(f"{manifest_path} has a bad entry", got=repr(name), remedy=REBUILD)
        if not file.is_file():
            raise BundleError(f"The bundle {root} lacks a file", expected=name, got="nothing there", remedy=REBUILD)
        size = file.stat().st_size
        if size != entry.get("bytes"):
            raise BundleError(
                f"The bundle file {file} has the wrong size",
                expected=f"{entry.get('bytes')} bytes",
                got=f"{size} bytes",
                remedy=REBUILD,
            )
        sums[name] = sha256(file) if full or size <= HASH_LIMIT else None
        if sums[name] not in (None, entry.get("sha256")):
            raise BundleError(
                f"The bundle file {file} was altered",
                expected=f"SHA-256 {str(entry.get('sha256'))[:12]}...",
                got="another one",
                remedy=REBUILD,
            )
    return sums


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
    benchmarks: Mapping[str, Any] | None = None,
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
        (staging / "fingerprints.safetensors").write_bytes(tensor_bytes(fingerprints, metadata(marked)))
        if anchors is not None:
            labelled = {**marked, "labels": anchor_labels or {}}
            data = tensor_bytes(anchors, metadata(labelled), first="codes")
            (staging / "anchors.safetensors").write_bytes(data)
        if index is not None:
            index.save(staging / INDEX_FILE)
        if models is not None:
            write_json(staging / "models.json", models)
        if benchmarks is not None:
            write_json(staging / BENCHMARKS_FILE, benchmarks)
        write_json(staging / "config.json", dict(config))
        if card:
            (staging / "README.md").write_text(card, encoding="utf-8")
        listed = {
            file.name: {"sha256": sha256(file), "bytes": file.stat().st_size} for file in sorted(staging.iterdir())
        }
        written = {"files": listed}
        write_json(staging / "manifest.json", written)
        for file in staging.iterdir():
            sync(file)
        move_into_place(staging, target, known)
        return written
    except OSError as error:
        remedy = "What was there before is unchanged."
        if WINDOWS and isinstance(error, PermissionError):
            remedy += " Write to another folder (--out), or close the programs that use this one."
        raise BundleError(f"Cannot write the bundle {target}", got=str(error), remedy=remedy) from error
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


def encoder_hash(folder: Path, sums: Mapping[str, str | None] | None = None) -> str:
    """One hash over the encoder's files: embeddings agree exactly when it does. `sums`: what is known of theirs."""
    hasher, sums = hashlib.sha256(), sums or {}
    for name in ENCODER_FILES:
        file = folder / name
        if file.exists():
            hasher.update(name.encode() + bytes.fromhex(sums.get(name) or sha256(file)))
    return hasher.hexdigest()


def _manifest_bytes(path: str | Path) -> bytes | None:
    try:
        return (Path(path) / "manifest.json").read_bytes()
    except (OSError, TypeError, ValueError):  # what is no path is told where it is read
        return None


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _version(text: Any, root: Path) -> tuple[int, int]:
    try:
        major, minor = str(text).split(".")
        return int(major), int(minor)
    except ValueError:
        raise BundleError(f"The bundle {root} has no readable format version", got=repr(text), remedy=REBUILD) from None
