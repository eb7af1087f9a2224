"""Handwritten digits: three models, each with more labelled scans to learn from than the one before, as it goes in practice."""

import numpy as np
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from .accuracy import measure
from .bundle_folder import golden_cases, write_bundle
from .graphs import DEFAULT_OUTPUTS, answer, export
from .held_out import SEED, sides, split
from .json_files import write_json, write_json_lines
from .paths import DATA

FIRST_SCANS = 100
MORE_SCANS = 500
GOLDEN_PER_CLASS = 1

PIXELS = {"name": "pixels", "type": {"type": "array", "items": "float"}}
LABEL = {"name": "label", "type": ["null", "string"], "default": None}


def schema(*fields):
    return {"type": "record", "name": "Digit", "namespace": "millrace.example", "fields": list(fields)}


def build() -> tuple[dict, dict]:
    """Returns accuracies by bundle, and which rows were trained on and which are streamed."""
    scans, digits = load_digits(return_X_y=True)
    scans = scans.astype(np.float32)
    rows = split(digits)
    write_stream(scans, digits, rows.stream)

    accuracies = {}
    for ref, scans_learnt, train, graph_input in (
        ("digits@1", FIRST_SCANS, logistic_regression, "X"),
        ("digits@2", MORE_SCANS, neural_network, "pixels"),
        ("digits@3", len(rows.train), boosted_trees, "X"),
    ):
        learnt = rows.train[:scans_learnt]
        graphs, outputs = train(scans[learnt], digits[learnt])
        ordered = [graphs[file] for file in ("preprocess.onnx", "model.onnx") if file in graphs]
        shown = golden_rows(digits, rows.stream)
        records = [{"pixels": scans[row].tolist()} for row in shown]
        golden = golden_cases(records, answer(ordered, {graph_input: scans[shown]}))
        inputs = [{"tensor": graph_input, "type": "float32", "shape": [64], "fields": ["pixels"]}]
        write_bundle(ref, graphs, inputs, outputs, schema(PIXELS), golden)
        answers = answer(ordered, {graph_input: scans[rows.stream]})
        accuracies[ref] = measure(answers, [str(digit) for digit in digits[rows.stream]], len(learnt))
    return accuracies, sides(rows, scan_id, scans)


def logistic_regression(scans, digits):
    # Newton's method on doubles comes so near to the optimum that it does not matter how a processor rounds.
    model = LogisticRegression(solver="newton-cholesky", tol=1e-8).fit(scans.astype(np.float64), digits)
    # The one model here that is exported without a ZipMap; packing rewires the others.
    graph = export(model, "digits-1", [("X", FloatTensorType([None, 64]))], zipmap=False)
    return {"model.onnx": graph}, {"label": "label", "scores": "probabilities"}


def neural_network(scans, digits):
    scaler = StandardScaler().fit(scans)
    model = MLPClassifier((128, 64), alpha=0.01, max_iter=500, random_state=SEED).fit(scaler.transform(scans), digits)
    graphs = {
        "preprocess.onnx": export(scaler, "digits-2-scaler", [("pixels", FloatTensorType([None, 64]))]),
        "model.onnx": export(model, "digits-2", [("scaled", FloatTensorType([None, 64]))]),
    }
    return graphs, DEFAULT_OUTPUTS


def boosted_trees(scans, digits):
    model = GradientBoostingClassifier(subsample=0.5, max_features=8, learning_rate=0.2, random_state=SEED)
    graph = export(model.fit(scans, digits), "digits-3", [("X", FloatTensorType([None, 64]))])
    return {"model.onnx": graph}, DEFAULT_OUTPUTS


def golden_rows(digits, stream) -> list[int]:
    """The first streamed scan of every digit."""
    return [row for digit in range(10) for row in stream[digits[stream] == digit][:GOLDEN_PER_CLASS]]


def write_stream(scans, digits, stream) -> None:
    # Pixels are whole numbers from 0 to 16; as such they take half the space.
    write_json_lines(
        DATA / "digits.jsonl",
        ({"id": scan_id(row), "pixels": scans[row].astype(int).tolist(), "label": str(digits[row])} for row in stream),
    )
    write_json(DATA / "digits.avsc", schema({"name": "id", "type": "string"}, PIXELS, LABEL))


def scan_id(row) -> str:
    """Names the row in scikit-learn's copy of the data set."""
    return f"scan-{row:04}"
