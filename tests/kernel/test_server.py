"""The server part on a real Jupyter server: what it answers, to whom, and that asking is no activity."""

from __future__ import annotations

import csv
import http.client
import io
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.server.export import CHUNK_BYTES
from live import LiveKernel
from made_records import measured, record
from message_schema import fits_schema
from served import TOKEN, Answer, Served

PATHS = ["host", "history", "history/session-1", "export?format=csv"]


def eventually(ask: Callable[[], Any], is_so: Callable[[Any], bool], timeout_s: float = 30.0) -> Any:
    """Ask until it is so, and return the answer."""
    until = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if is_so(answer) or time.monotonic() > until:
            assert is_so(answer), answer
            return answer
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("server"))
    yield served
    served.close()


@pytest.fixture
def ledger(server: Served) -> Iterator[Ledger]:
    with Ledger(server.ledger) as ledger:
        yield ledger
    forget(server)


def forget(server: Served) -> None:
    for path in server.ledger.parent.glob("ledger.sqlite*"):
        path.unlink()


# ---- History


def test_where_nothing_was_measured_yet_the_history_is_empty(server: Served) -> None:
    data = server.api("history")

    fits_schema(data, "history")
    assert (data["sessions"], data["all"]["runs"], data["all"]["energy_j"]) == ([], 0, None)
    assert (data["problem"], server.get("greenllm/api/history/none").status) == (None, 404)
    assert not server.ledger.exists()


def test_what_was_measured_is_told_by_session_and_by_cell(server: Served, ledger: Ledger) -> None:
    ledger.write(record(measured(100, 3), name="train", cell_id="a"))
    ledger.write(record(measured(50, 4), name="train", cell_id="a", begin_s=60))
    data, cells = server.api("history"), server.api("history/session-1")

    fits_schema(data, "history")
    fits_schema(cells, "historySession")
    (session,) = data["sessions"]
    assert (session["session_id"], session["names"], session["runs"]) == ("session-1", ["train"], 2)
    assert data["all"]["energy_j"] == session["energy_j"] == 150
    assert session["interval_j"] == pytest.approx([150 - 1.96 * 5, 150 + 1.96 * 5], abs=1e-3)
    assert [(cell["cell_id"], cell["runs"], cell["energy_j"]) for cell in cells["cells"]] == [("a", 2, 150)]


def test_an_unknown_session_is_told_from_a_server_without_this_part(server: Served, ledger: Ledger) -> None:
    ledger.write(record(measured(1)))
    unknown, absent = server.get("greenllm/api/history/none"), server.get("greenllm/api/of-another-version")

    assert (unknown.status, unknown.json["schema"]) == (404, 1)
    assert "no such session" in unknown.json["message"]
    assert (absent.status, b"schema" in absent.body) == (404, False)


def test_what_is_written_meanwhile_is_in_the_next_answer(server: Served, ledger: Ledger) -> None:
    for runs in range(1, 4):
        ledger.write(record(measured(1), begin_s=60 * runs))
        assert server.api("history")["all"]["runs"] == runs


def test_a_cell_that_runs_in_a_kernel_grows_in_the_sums_of_today(server: Served, tmp_path: Path) -> None:
    kernel = LiveKernel(tmp_path, {"GREENLLM_LEDGER": str(server.ledger)})
    try:
        request = kernel.client.execute("import time\nfor _ in range(600): time.sleep(0.1)")
        first = eventually(lambda: server.api("history")["today"], lambda today: today["energy_j"] is not None)
        later = eventually(lambda: server.api("history")["today"], lambda today: today["energy_j"] > first["energy_j"])
        kernel.manager.interrupt_kernel()
        kernel.collect(request)
        session = kernel.events[-1]["session_id"]
        (cell,) = eventually(
            lambda: server.api(f"history/{session}")["cells"], lambda cells: cells[0]["status"] == "interrupted"
        )
    finally:
        kernel.close()
    forget(server)

    fits_schema(later, "historySum")
    assert (later["runs"], later["provenance"]) == (1, "measured")
    assert cell["energy_j"] >= later["energy_j"]
    assert cell["name"].startswith("import time")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "x" * 10_000, "session_id": "session-1"},
        {"name": "<img src=x onerror=alert(1)>"},
        {"energy": 1e308},
        {"json": "not JSON"},
    ],
)
def test_whatever_stands_in_the_ledger_the_answers_fit_the_schema(
    server: Served, ledger: Ledger, wrong: dict[str, Any]
) -> None:
    for _ in range(3):
        name = wrong.get("name", "cell")
        ledger.write(record(measured(wrong.get("energy", 1.0)), name=name, stage=name, cell_id=name))
    if "json" in wrong:
        with sqlite3.connect(server.ledger) as connection:
            connection.execute("UPDATE records SET json = ?", (wrong["json"],))
    data, cells = server.api("history"), server.api("history/session-1")

    fits_schema(data, "history")
    fits_schema(cells, "historySession")
    assert ("cannot be read" in (data["problem"] or "")) == ("json" in wrong)


def test_a_damaged_ledger_is_a_problem_with_a_next_step_and_no_error(server: Served) -> None:
    server.ledger.write_bytes(b"these are my notes, not a database" * 100)
    data, cells = server.api("history"), server.api("history/session-1")
    export = server.get("greenllm/api/export?format=csv")

    for answer, definition in ((data, "history"), (cells, "historySession")):
        fits_schema(answer, definition)
        assert "damaged" in answer["problem"] and "move the file away" in answer["problem"]
    assert export.status == 500
    assert "move the file away" in export.json["message"]
    forget(server)


# ---- The host's power


def test_the_hosts_power_is_told_once_the_meters_are_found(server: Served) -> None:
    data = eventually(lambda: server.api("host"), lambda data: data["ready"] and None not in data["power_w"].values())

    fits_schema(data, "hostPower")
    assert [channel["component"] for channel in data["channels"]] == ["gpu", "gpu", "cpu"]
    assert data["total_w"] == pytest.approx(sum(data["power_w"].values()))
    assert data["kernel_here"] is None
    assert abs(data["at_ms"] / 1e3 - time.time()) < 60
    assert not server.ledger.exists(), "nothing is recorded"


def test_a_kernel_of_this_server_is_on_this_host_and_one_nobody_knows_may_be_anywhere(server: Served) -> None:
    kernel = server.get("api/kernels", method="POST").json["id"]
    try:
        assert server.api(f"host?kernel={kernel}")["kernel_here"] is True
    finally:
        server.get(f"api/kernels/{kernel}", method="DELETE")
    assert server.api("host?kernel=none")["kernel_here"] is None


def test_with_a_gateway_kernels_are_elsewhere_and_no_sensor_is_read(tmp_path: Path) -> None:
    served = Served(tmp_path, "--GatewayClient.url=http://127.0.0.1:9")
    try:
        data = served.api("host?kernel=one")
    finally:
        served.close()

    fits_schema(data, "hostPower")
    assert (data["kernel_here"], data["ready"], data["channels"]) == (False, False, [])


# ---- Export


def test_an_export_is_a_download_under_a_name_that_says_what_it_is(server: Served, ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), name=f"{n}", begin_s=20 * n, session_id="ab"[n % 2]) for n in range(4))
    everything = server.get("greenllm/api/export?format=csv")
    one = server.get("greenllm/api/export?format=json&session=a")
    cells = server.get("greenllm/api/export?format=csv&rows=cells&session=b")

    assert everything.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert everything.headers["Content-Disposition"].startswith('attachment; filename="greenllm-records-')
    assert [row["name"] for row in rows(everything)] == ["0", "1", "2", "3"]
    assert one.headers["Content-Type"] == "application/json"
    assert [found["name"] for found in one.json] == ["0", "2"]
    assert [(row["name"], row["runs"]) for row in rows(cells)] == [("1", "1"), ("3", "1")]
    for name, value in {**everything.headers, **one.headers}.items():
        assert name.lower() not in ("set-cookie", "access-control-allow-origin") or "greenllm" not in value


def test_parquet_is_exported_where_pyarrow_is_there(server: Served, ledger: Ledger) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    ledger.write_all(record(measured(1), begin_s=20 * n) for n in range(1500))
    answer = server.get("greenllm/api/export?format=parquet")

    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert parquet.read_table(io.BytesIO(answer.body)).num_rows == 1500


def test_of_a_ledger_that_is_missing_an_empty_table_is_exported(server: Served) -> None:
    assert rows(server.get("greenllm/api/export?format=csv")) == []
    assert server.get("greenllm/api/export?format=json").json == []


def test_what_cannot_be_exported_is_refused_with_what_there_is(server: Served) -> None:
    unknown = server.get("greenllm/api/export?format=xlsx")
    wrong = server.get("greenllm/api/export?rows=joules")

    assert (unknown.status, wrong.status) == (400, 400)
    assert "there is csv, json, parquet" in unknown.json["message"]
    assert "there are records and cells" in wrong.json["message"]


def test_an_export_that_breaks_off_does_not_look_whole(server: Served, ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), begin_s=20 * n) for n in range(2000))
    ledger.close()
    data = bytearray(server.ledger.read_bytes())
    for at in range(len(data) * 2 // 3, len(data), 4096):
        data[at : at + 64] = b"\xff" * 64
    server.ledger.write_bytes(data)

    with pytest.raises(http.client.IncompleteRead):
        server.get("greenllm/api/export?format=csv")


def test_who_goes_away_in_the_middle_of_an_export_leaves_nothing_behind(server: Served, ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), begin_s=20 * n) for n in range(3000))
    for _ in range(12):  # more than there are threads to write with
        address = urlsplit(server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        connection.request("GET", "/greenllm/api/export?format=json", headers={"Authorization": f"token {TOKEN}"})
        connection.getresponse().read(CHUNK_BYTES // 4)
        connection.close()

    assert server.api("history")["all"]["runs"] == 3000


def rows(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


# ---- To whom, and what it does to the server


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_there_is_no_answer(server: Served, path: str) -> None:
    for token in (None, "another"):
        assert server.get(f"greenllm/api/{path}", token).status == 403


@pytest.mark.parametrize("path", PATHS)
def test_another_sites_page_gets_no_answer_with_the_users_cookie(server: Served, ledger: Ledger, path: str) -> None:
    ledger.write(record(measured(1)))
    cookie = server.cookie()
    assert server.get(f"greenllm/api/{path}", None, Cookie=cookie).status == 200
    assert server.get(f"greenllm/api/{path}", None, Cookie=cookie, Origin="http://evil.invalid").status == 404


@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_changed(server: Served, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert server.get(f"greenllm/api/{path}", method=method).status in (403, 405)


def test_who_is_not_authorised_for_greenllm_gets_no_answer(tmp_path: Path) -> None:
    (tmp_path / "authorizer.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "class Strict(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return resource != 'greenllm'\n"
    )
    served = Served(tmp_path, "--ServerApp.authorizer_class=authorizer.Strict", PYTHONPATH=str(tmp_path))
    try:
        assert [served.get(f"greenllm/api/{path}").status for path in PATHS] == [403] * len(PATHS)
        assert served.get("api/kernels").status == 200
    finally:
        served.close()


def test_asking_is_no_activity(server: Served, ledger: Ledger) -> None:
    ledger.write(record(measured(1)))
    before = server.get("api/status").json["last_activity"]
    for path in (*PATHS, "host?kernel=none", "export?format=xlsx"):
        server.get(f"greenllm/api/{path}")
    assert server.get("api/status").json["last_activity"] == before
    server.get("api/kernels")
    assert server.get("api/status").json["last_activity"] > before


def test_an_idle_kernel_is_culled_while_a_page_goes_on_asking(tmp_path: Path) -> None:
    served = Served(tmp_path, "--MappingKernelManager.cull_idle_timeout=2", "--MappingKernelManager.cull_interval=1")
    try:
        kernel = served.get("api/kernels", method="POST").json["id"]

        def asked() -> int:
            served.api(f"host?kernel={kernel}")
            served.api("history")
            return served.get(f"api/kernels/{kernel}?no_track_activity=1").status

        eventually(asked, lambda status: status == 404)
    finally:
        served.close()
