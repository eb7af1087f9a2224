"""Which rows a model may learn from, and which are streamed."""

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

TRAIN_SHARE = 0.6
SEED = 0


@dataclass(frozen=True)
class Split:
    """Row indices into scikit-learn's copy of the data set. No row is in both."""

    train: np.ndarray
    stream: np.ndarray


def split(target) -> Split:
    """About 60/40, with the same share of every class on both sides, both in shuffled order."""
    rows = np.arange(len(target))
    train, stream = train_test_split(rows, train_size=TRAIN_SHARE, stratify=target, random_state=SEED)
    return Split(train, stream)


def fingerprint(features) -> str:
    """Of what a row says, not of where it stood: the same row twice in a data set has one fingerprint."""
    return hashlib.sha256(" ".join(repr(float(value)) for value in features).encode()).hexdigest()[:16]


def sides(rows: Split, row_id, features) -> dict[str, dict[str, str]]:
    """The fingerprint of every row by its id, for whoever wants to check that no row is on both sides."""

    def fingerprints(side):
        return {row_id(row): fingerprint(features[row]) for row in sorted(side)}

    return {"trainedOn": fingerprints(rows.train), "streamed": fingerprints(rows.stream)}
