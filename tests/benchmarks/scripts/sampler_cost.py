"""Prints the share of a core that reading eight channels takes, while the main thread sleeps or computes."""

from __future__ import annotations

import json
import sys
import time

SECONDS = 30.0


def main(is_busy: bool) -> None:
    from greenllm_kernel.accounting.session import Session

    session = Session.current()
    session.find_meters()
    run = session.open("cost")
    time.sleep(3.0)
    cpu_s, process_s, own_s = session.sampler.cpu_s, time.process_time(), time.thread_time()
    began = time.perf_counter()
    while (elapsed_s := time.perf_counter() - began) < SECONDS:
        if is_busy:
            sum(range(10_000))
        else:
            time.sleep(0.1)
    others_s = time.process_time() - process_s - (time.thread_time() - own_s)
    share = (session.sampler.cpu_s - cpu_s) / elapsed_s
    run.close()
    record = run.settle()
    assert len(record.channels) == 8
    assert all(channel.coverage > 0.99 for channel in record.channels)
    print(json.dumps({"share": share, "process_share": others_s / elapsed_s}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
