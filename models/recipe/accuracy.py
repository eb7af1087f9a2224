"""What each bundle got right of the rows that none of them has seen."""

from .graphs import Answers
from .json_files import write_json
from .paths import MODELS


def measure(answers: Answers, truth: list[str], trained_on: int) -> dict:
    correct = sum(label == true for label, true in zip(answers.labels, truth, strict=True))
    return {
        "trainedOn": trained_on,
        "heldOut": len(truth),
        "correct": correct,
        "accuracy": round(correct / len(truth), 4),
    }


def report(accuracies: dict[str, dict]) -> None:
    """Prints the table that the README shows, and keeps the numbers in accuracy.json."""
    write_json(MODELS / "accuracy.json", accuracies)
    print(f"{'bundle':<10} {'trained on':>10} {'held out':>8} {'correct':>7} {'accuracy':>8}")
    for ref, row in accuracies.items():
        print(f"{ref:<10} {row['trainedOn']:>10} {row['heldOut']:>8} {row['correct']:>7} {row['accuracy']:>8.2%}")
