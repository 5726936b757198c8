"""What ``%%compress`` and ``compress()`` give, as a table below the cell."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from greenllm_kernel.notebook.html_table import table_html

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenllm_kernel.compression.result import CompressionResult


def register_display(shell: InteractiveShell) -> None:
    """Show results as tables in this shell; nothing is imported before there is one."""
    formats: Any = shell.display_formatter
    formatter = formats.formatters["text/html"]
    formatter.for_type_by_name("greenllm_kernel.compression.result", "CompressionResult", result_html)


def result_html(result: CompressionResult) -> str:
    """Return a result as HTML that needs neither scripts nor styles from elsewhere."""
    from greenllm_kernel.compression.result import COLUMNS, NOT_COMPARED

    below = (*map(str, result.targets), NOT_COMPARED)
    headline, *lines = (f"<div>{html.escape(line)}</div>" for line in (result.headline, *below))
    return headline + table_html(COLUMNS, result.rows) + "".join(lines)
