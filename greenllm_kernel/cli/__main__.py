"""``python -m greenllm_kernel.cli``: the same as ``greenllm``."""

import sys

from greenllm_kernel.cli import main

sys.exit(main())
