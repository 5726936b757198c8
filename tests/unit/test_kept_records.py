"""The records of a session: all that was measured, in little memory."""

from __future__ import annotations

from greenllm_kernel.accounting.kept_records import WHOLE_RECORDS, KeptRecords
from made_records import measured, record


def numbered(number: int):
    energy = measured(100.0 + number, random_j=2.0, gain_j=3.0)
    return record(energy, run_id=f"run-{number}", series={"gpu:0": [(0.0, 100.0)]})


def test_packed_records_come_back_as_they_were():
    kept = KeptRecords()
    records = [numbered(number) for number in range(3 * WHOLE_RECORDS)]
    for one in records:
        kept.append(one)
    assert kept.all() == records
    assert len(kept) == len(records)


def test_the_latest_keep_their_power_over_time_and_the_oldest_give_it_up():
    kept = KeptRecords()
    for number in range(2 * WHOLE_RECORDS):
        kept.append(numbered(number))
    assert kept.all()[-1].power() == {"gpu:0": [(0.0, 100.0)]}
    assert kept.all()[0].power() == {}


def test_the_oldest_are_forgotten_where_there_are_too_many():
    kept = KeptRecords(most=WHOLE_RECORDS + 5)
    for number in range(2 * WHOLE_RECORDS):
        kept.append(numbered(number))
    assert [one.run_id for one in kept.all()] == [f"run-{n}" for n in range(WHOLE_RECORDS - 5, 2 * WHOLE_RECORDS)]


def test_they_are_found_newest_first_whatever_comes_meanwhile():
    kept = KeptRecords()
    records = [numbered(number) for number in range(2 * WHOLE_RECORDS)]
    for one in records:
        kept.append(one)
    found = kept.newest_first()
    assert next(found) == records[-1]
    kept.append(numbered(1000))
    assert list(found) == records[-2::-1]
