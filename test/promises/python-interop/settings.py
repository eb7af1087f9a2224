"""What both scripts take from the environment."""

import os
import sys


def setting(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if not value:
        sys.exit(f"set {name}")
    return value


BROKERS = setting("MILLRACE_BROKERS")
REGISTRY = setting("MILLRACE_REGISTRY")
TOPIC = setting("INTEROP_TOPIC")
RECORDS = int(setting("INTEROP_RECORDS", "100"))
TIMEOUT_SECONDS = float(setting("INTEROP_TIMEOUT_SECONDS", "30"))
