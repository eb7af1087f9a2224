"""Breast cancer biopsies: one named number per feature of the cell nuclei, two diagnoses."""

import csv

import numpy as np
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .accuracy import measure
from .bundle_folder import golden_cases, write_bundle
from .graphs import DEFAULT_OUTPUTS, answer, export
from .held_out import SEED, sides, split
from .json_files import write_json
from .paths import DATA

GOLDEN_PER_CLASS = 6


def schema(*fields):
    return {"type": "record", "name": "Biopsy", "namespace": "millrace.example", "fields": list(fields)}


def double(name):
    return {"name": name, "type": "double"}


def text(name):
    return {"name": name, "type": "string"}


def build() -> tuple[dict, dict]:
    """Returns accuracies by bundle, and which rows were trained on and which are streamed."""
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    diagnoses = data.target_names[data.target].astype(str)
    rows = split(diagnoses)
    write_stream(names, data.data, diagnoses, rows.stream)

    # Models read float32; training on the same numbers keeps a threshold from falling between a value and its rounding.
    features = data.data.astype(np.float32)
    accuracies = {}
    for ref, train in (("biopsy@1", logistic_regression), ("biopsy@2", extra_trees)):
        graph, inputs, outputs = train(names, features[rows.train], diagnoses[rows.train])

        def feeds(asked, inputs=inputs):
            return {each["tensor"]: asked[:, [names.index(name) for name in each["fields"]]] for each in inputs}

        used = [name for name in names if any(name in each["fields"] for each in inputs)]
        shown = golden_rows(diagnoses, rows.stream)
        records = [{name: float(data.data[row, names.index(name)]) for name in used} for row in shown]
        golden = golden_cases(records, answer([graph], feeds(features[shown])))
        write_bundle(ref, {"model.onnx": graph}, inputs, outputs, schema(*map(double, used)), golden)
        answers = answer([graph], feeds(features[rows.stream]))
        accuracies[ref] = measure(answers, list(diagnoses[rows.stream]), len(rows.train))
    return accuracies, sides(rows, biopsy_id, data.data)


def logistic_regression(names, features, diagnoses):
    """The means of the ten measures, as the columns of one tensor; scaler and model are one graph."""
    means = [name for name in names if name.startswith("mean_")]
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-8))
    model.fit(features[:, [names.index(name) for name in means]].astype(np.float64), diagnoses)
    graph = export(model, "biopsy-1", [("X", FloatTensorType([None, len(means)]))])
    inputs = [{"tensor": "X", "type": "float32", "shape": [len(means)], "fields": means}]
    return graph, inputs, DEFAULT_OUTPUTS


def extra_trees(names, features, diagnoses):
    """All thirty features, each a tensor of its own, as models that were trained on data frames come."""
    columns = ColumnTransformer([(name, "passthrough", [column]) for column, name in enumerate(names)])
    model = make_pipeline(columns, ExtraTreesClassifier(60, max_depth=8, random_state=SEED)).fit(features, diagnoses)
    graph = export(model, "biopsy-2", [(name, FloatTensorType([None, 1])) for name in names])
    inputs = [{"tensor": name, "type": "float32", "shape": [1], "fields": [name]} for name in names]
    return graph, inputs, DEFAULT_OUTPUTS


def golden_rows(diagnoses, stream) -> list[int]:
    """The first streamed biopsies of both diagnoses."""
    return [row for each in ("malignant", "benign") for row in stream[diagnoses[stream] == each][:GOLDEN_PER_CLASS]]


def write_stream(names, features, diagnoses, stream) -> None:
    with (DATA / "biopsy.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", *names, "diagnosis"])
        for row in stream:
            table.writerow([biopsy_id(row), *(repr(float(value)) for value in features[row]), diagnoses[row]])
    write_json(DATA / "biopsy.avsc", schema(text("id"), *map(double, names), text("diagnosis")))


def biopsy_id(row) -> str:
    """Names the row in scikit-learn's copy of the data set."""
    return f"biopsy-{row:03}"
