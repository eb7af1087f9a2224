import shutil

from . import biopsy, digits
from .accuracy import report
from .json_files import write_json
from .paths import DATA, EXPORTS

shutil.rmtree(EXPORTS, ignore_errors=True)
DATA.mkdir(exist_ok=True)
digit_accuracies, digit_rows = digits.build()
biopsy_accuracies, biopsy_rows = biopsy.build()
write_json(DATA / "split.json", {"digits": digit_rows, "biopsy": biopsy_rows})
report({**digit_accuracies, **biopsy_accuracies})
