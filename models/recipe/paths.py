from pathlib import Path

MODELS = Path(__file__).resolve().parent.parent
DATA = MODELS / "data"
EXPORTS = MODELS / "build" / "exports"
