"""From scikit-learn to ONNX, and what ONNX Runtime then says."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnx import helper
from skl2onnx import to_onnx

OPSET = {"": 17, "ai.onnx.ml": 3}
DEFAULT_OUTPUTS = {"label": "output_label", "scores": "output_probability"}
"""What skl2onnx calls a classifier's outputs when nothing is asked of it. The second is a ZipMap until the bundle is made."""


def export(model, name, initial_types, **options) -> bytes:
    """The same model gives the same bytes; by itself skl2onnx draws a random `name` and lists operator sets in any order."""
    graph = to_onnx(model, initial_types=initial_types, name=name, target_opset=OPSET, options=options or None)
    imports = sorted({(each.domain, each.version) for each in graph.opset_import})
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in imports)
    return graph.SerializeToString()


@dataclass(frozen=True)
class Answers:
    labels: list[str]
    scores: np.ndarray
    """[rows, classes], classes in the order of the model's"""


def answer(graphs: list[bytes], feeds: dict[str, np.ndarray]) -> Answers:
    """Runs the graphs one after the other, each but the first on the only output of the one before."""
    for graph in graphs[:-1]:
        (output,) = session(graph).run(None, feeds)
        feeds = {session(graphs[-1]).get_inputs()[0].name: output}
    label, scores = session(graphs[-1]).run(None, feeds)
    # A ZipMap gives one dict a row, class to score.
    if isinstance(scores, list):
        scores = np.array([list(row.values()) for row in scores], dtype=np.float32)
    return Answers([str(each) for each in np.ravel(label)], scores)


def session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
