"""Runs a case study of the tutorials and prints its comparison as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gpu.models.plan import STUDIES
from gpu.models.studies import studied
from greenllm_kernel.accounting.session import Session


def main() -> None:
    study = STUDIES[json.loads(sys.argv[1])["study"]]
    session = Session.current()
    session.find_meters()
    found = studied(study, is_short=False, session=session)
    session.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
