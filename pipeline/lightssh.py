"""Loads paramiko without invoke: imported before it, where a process takes files from an SFTP server.

Paramiko loads invoke, where it is installed, for ``Match exec`` in files of settings of the OpenSSH client, which we do
not read. A process that runs jobs needs it for nothing else: it holds 3 MiB less without it.
"""

from __future__ import annotations

import sys

__all__ = ["paramiko"]

_hidden = "paramiko" not in sys.modules and "invoke" not in sys.modules
if _hidden:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # what an import then finds to be missing
try:
    import paramiko
finally:
    if _hidden:
        del sys.modules["invoke"]
