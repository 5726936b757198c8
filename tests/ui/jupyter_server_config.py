"""The JupyterLab that the browser tests talk to: this machine only, everything in a temporary folder."""

import json
import os
import shutil
import sys
from pathlib import Path

import jupyterlab

home = Path(os.environ["GREENLLM_UI_HOME"])
checkout = Path(__file__).resolve().parents[2]

# The extension as it is built in the checkout, whatever is installed.
shutil.copytree(
    checkout / "greenllm_kernel" / "labextension",
    home / "labextensions" / "greenllm",
    dirs_exist_ok=True,
)

# A kernel that is not Python, as far as its kernelspec says.
other_kernel = home / "data" / "kernels" / "other" / "kernel.json"
other_kernel.parent.mkdir(parents=True, exist_ok=True)
other_kernel.write_text(
    json.dumps(
        {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Other",
            "language": "R",
        }
    )
)

c = get_config()  # noqa: F821  (given by traitlets)
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = int(os.environ["GREENLLM_UI_PORT"])
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.jpserver_extensions = {"jupyterlab": True, "notebook": True, "greenllm_kernel": True}
c.ServerApp.root_dir = str(home / "work")
c.IdentityProvider.token = os.environ["GREENLLM_UI_TOKEN"]
# Low enough that a test reaches it on a slow machine too; a measured cell sends four messages a second.
c.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 200
c.LabApp.workspaces_dir = str(home / "data" / "workspaces")
c.LabApp.expose_app_in_browser = True
c.JupyterNotebookApp.expose_app_in_browser = True
c.LabServerApp.extra_labextensions_path = [
    str(Path(jupyterlab.__file__).parent / "galata"),
    str(home / "labextensions"),
]

# Where jupyter-collaboration is installed, it is on only for the tests of it.
collaborates = bool(os.environ.get("GREENLLM_UI_COLLABORATION"))
page_config = home / "config" / "labconfig" / "page_config.json"
page_config.parent.mkdir(parents=True, exist_ok=True)
extensions = ("@jupyter/collaboration-extension", "@jupyter/docprovider-extension")
page_config.write_text(json.dumps({"disabledExtensions": dict.fromkeys(extensions, not collaborates)}))
c.YDocExtension.disable_rtc = not collaborates
c.SQLiteYStore.db_path = str(home / "documents.db")
