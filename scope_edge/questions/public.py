"""The anchors of a bundle as questions, out of the public data sets that they came from.

A bundle ships no texts. Whoever has the data sets on the disk, as their files or in the cache of the `datasets`
library, has the texts: a file is known by its columns, and a row is an anchor if its prompt lies where the anchor does.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scope_edge.encoder import check_prompt
from scope_edge.errors import OutcomesError, PromptError
from scope_edge.joining import place
from scope_edge.names import counted
from scope_edge.outcome_rows import OutcomeRow
from scope_edge.questions.finding import boxed
from scope_edge.questions.graders.choice import LETTERS
from scope_edge.questions.question import Question
from scope_edge.router import Router
from scope_edge.rows import polars_module, read_frame

__all__ = ["cached_datasets", "public_questions"]

Row = Mapping[str, Any]
_log = logging.getLogger(__name__)
_CACHED = ("gsm8k", "mmlu", "arc", "math")  # what the names of the data sets in a cache hold


class _Asked(NamedTuple):
    """A row as a question, in the words in which the anchors ask it."""

    prompt: str
    answer: str
    grader: str
    choices: tuple[str, ...] | None = None


def public_questions(router: Router, folders: Sequence[str | Path]) -> list[Question]:
    """The anchors whose prompt and answer are in files of public data sets, in the order of the anchors.

    Read are .parquet, .jsonl and .arrow files, in the folders and below, with the columns of GSM8K (question, answer),
    MATH (problem, solution), MMLU and MMLU-Redux (question, choices, answer), MMLU-Pro (question, options, answer) or
    ARC (question, choices, answerKey). Other files are passed over.

    Parameters
    ----------
    router : Router
        Whose anchors are looked for.
    folders : sequence of paths

    Raises
    ------
    OutcomesError
        No anchor is found; files that cannot be read are named. Where one is found, they are passed over with a
        warning in the log.
    MissingExtraError
        polars is not installed.
    """
    files = [file for folder in folders for file in _files(Path(folder))]
    asked_once: dict[str, _Asked] = {}
    unreadable = []
    for file in files:
        try:
            asked_once |= {item.prompt: item for item in _asked(file)}
        except OutcomesError as error:
            unreadable.append(str(error))
    asked = list(asked_once.values())
    found: dict[int, _Asked] = {}
    if asked:
        places = place([OutcomeRow(0.0, item.prompt) for item in asked], router.encoder, router.estimator)
        for item, anchor, same in zip(asked, places.nearest.tolist(), places.same.tolist(), strict=True):
            if same:
                found.setdefault(anchor, item)
    if not found:
        seen = (
            f"{counted(len(files), 'such file')} with {counted(len(asked), 'question')} of others"
            if files
            else "no such file"
        )
        raise OutcomesError(
            f"No anchor of the bundle is in {', '.join(map(str, folders)) or 'a cache of datasets'}",
            expected="files of GSM8K, MATH, MMLU, MMLU-Redux, MMLU-Pro or ARC, as .parquet, .jsonl or .arrow",
            got="; ".join([seen, *unreadable[:3]]),
            remedy="Give the folder that has them with --data.",
        )
    for why in unreadable:
        _log.warning("Passed over: %s", why)
    anchors = router.estimator.anchors
    return [
        Question(anchors.ids[row], *found[row], source=anchors.sources[row], category=anchors.categories[row])
        for row in sorted(found)
    ]


def cached_datasets() -> list[Path]:
    """Folders in the caches of the `datasets` and `huggingface_hub` libraries whose names speak of a known data set."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    caches = (
        Path(os.environ.get("HF_DATASETS_CACHE", home / "datasets")),
        Path(os.environ.get("HF_HUB_CACHE", home / "hub")),
    )
    return [
        folder
        for cache in caches
        if cache.is_dir()
        for folder in sorted(cache.iterdir())
        if folder.is_dir() and any(name in folder.name.lower() for name in _CACHED)
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix in (".parquet", ".jsonl", ".arrow"))


def _asked(file: Path) -> Iterator[_Asked]:
    """The questions of a file that has the columns of a known form."""
    polars = polars_module()
    readers = {".parquet": polars.read_parquet, ".jsonl": polars.read_ndjson, ".arrow": polars.read_ipc_stream}
    frame = read_frame(file, lambda path: readers[path.suffix](path) if path.stat().st_size else polars.DataFrame())
    for columns, read in _FORMS:
        if columns <= set(frame.columns):
            for row in frame.select(sorted(columns)).iter_rows(named=True):
                try:
                    item = read(row)
                except (TypeError, ValueError, KeyError, IndexError, AttributeError):
                    continue  # a row of another form, under the same names
                if item is not None and _is_prompt(item.prompt):
                    yield item
            return


def _is_prompt(text: str) -> bool:
    try:
        check_prompt(text)
    except PromptError:
        return False
    return True


def _gsm8k(row: Row) -> _Asked | None:
    _, marked, answer = row["answer"].rpartition("####")
    return _Asked(row["question"].strip(), answer.strip().replace(",", ""), "numeric") if marked else None


def _math(row: Row) -> _Asked | None:
    answers = boxed(row["solution"])
    return _Asked(row["problem"].strip(), answers[-1], "math") if answers else None


def _mmlu(row: Row) -> _Asked:
    return _chosen(row["question"], row["choices"], int(row["answer"]), ". ")


def _mmlu_pro(row: Row) -> _Asked:
    return _chosen(row["question"], row["options"], LETTERS.index(row["answer"]), ". ")


def _arc(row: Row) -> _Asked:
    choices = row["choices"]
    return _chosen(row["question"], choices["text"], choices["label"].index(row["answerKey"]), ") ")


def _chosen(question: str, choices: Sequence[str], right: int, mark: str) -> _Asked:
    lines = [f"{letter}{mark}{text}" for letter, text in zip(LETTERS, choices, strict=False)]
    return _Asked("\n".join([question.strip(), *lines]), LETTERS[right], "choice", tuple(choices))


_FORMS: tuple[tuple[frozenset[str], Callable[[Row], _Asked | None]], ...] = (
    (frozenset({"question", "options", "answer"}), _mmlu_pro),
    (frozenset({"question", "choices", "answerKey"}), _arc),
    (frozenset({"question", "choices", "answer"}), _mmlu),
    (frozenset({"problem", "solution"}), _math),
    (frozenset({"question", "answer"}), _gsm8k),
)
