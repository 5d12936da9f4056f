"""Tables for `read_table`, written by hand or changed from the generated one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

QUERIES = "query_id,prompt,source,category,split\nq1,One?,s,c,train\nq2,Two?,s,c,val\nq3,Three?,t,c,test\n"
OUTCOMES = "query_id,model,score,output_tokens,input_tokens,tokens_kind\nq1,a,1,10,3,usage\nq2,b,0.5,20,4,usage\n"
MODELS = "model,usd_per_mtok_in,usd_per_mtok_out,params_b,thinks,role\na,0.1,0.4,8,false,train\nb,1,4,,true,join\n"


def write(folder: Path, *, queries: str | None = QUERIES, outcomes: str | None = OUTCOMES, models: str | None = MODELS):
    """Three CSV files; None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("queries", queries), ("outcomes", outcomes), ("models", models)):
        if text is not None:
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def with_changed_rows(source: Path, target: Path, name: str, change: Callable[[dict], dict | None]) -> Path:
    """A copy of a table whose JSONL rows went through `change`; None drops a row."""
    if not target.exists():
        shutil.copytree(source, target)
    path = target / f"{name}.jsonl"
    rows = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None), encoding="utf-8")
    return target
