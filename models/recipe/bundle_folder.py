"""One model as a folder of what a bundle is made of; packing rewires the graphs and fills in the digests."""

import numpy as np

from .graphs import Answers
from .json_files import write_json, write_json_lines
from .paths import EXPORTS

TOLERANCE = 1e-4
BUDGET = {"class": "soft", "budgetMs": 20, "perRecords": 512}


def write_bundle(ref, graphs, inputs, outputs, reader_schema, golden) -> None:
    """`graphs`: file name to bytes. `golden`: lines as `golden_cases` makes them."""
    name, version = ref.split("@")
    folder = EXPORTS / ref
    folder.mkdir(parents=True)
    for file, graph in graphs.items():
        (folder / file).write_bytes(graph)
    stages = {"inference": BUDGET}
    if "preprocess.onnx" in graphs:
        stages = {"preprocess": BUDGET, **stages}
    manifest = {"schema": 1, "name": name, "version": version, "inputs": inputs, "outputs": outputs, "stages": stages}
    write_json(folder / "bundle.json", manifest)
    write_json(folder / "input.avsc", reader_schema)
    write_json_lines(folder / "golden.jsonl", golden)


def golden_cases(records, answers: Answers):
    """What the model says of `records`, right or wrong: the same must come out wherever the bundle runs."""
    for record, label, scores in zip(records, answers.labels, answers.scores, strict=True):
        expect = {"label": label, "scores": [float(np.format_float_positional(score, precision=7)) for score in scores]}
        yield {"record": record, "expect": expect, "tolerance": TOLERANCE}
