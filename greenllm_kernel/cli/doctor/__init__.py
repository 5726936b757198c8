"""``greenllm doctor``: what works here and how well, what does not and why, and what to do about it."""

from __future__ import annotations

import json
from contextlib import nullcontext

from greenllm_kernel.cli.doctor.data import as_data
from greenllm_kernel.cli.doctor.examination import examine
from greenllm_kernel.cli.doctor.page import print_page
from greenllm_kernel.cli.output import console


def doctor(measures: bool = True, as_json: bool = False) -> int:
    """Print the findings; return 0 if the energy of anything is known here, and 1 if not.

    Args:
        measures: whether to measure, for some seconds, what the sensors and the tool itself are like.
        as_json: print one JSON object instead of text for people.
    """
    if as_json:
        found = examine(measures)
        print(json.dumps(as_data(found), indent=2, allow_nan=False))
    else:
        to = console()
        wait = "measuring for some seconds ..." if measures else "looking for meters ..."
        with to.status(wait) if to.is_terminal else nullcontext():
            found = examine(measures)
        print_page(to, found)
    return 0 if found.record.gross is not None else 1
