"""JSON as it is committed: stable order, one line per thing that a reader of a diff would call one thing."""

import json


def compact(value) -> str:
    return json.dumps(value, ensure_ascii=False)


def write_json(path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_json_lines(path, values) -> None:
    path.write_text("".join(compact(value) + "\n" for value in values))
