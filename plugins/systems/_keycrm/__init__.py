"""KeyCRM. So far its faithful fake; the registry passes over packages whose name begins with ``_``."""
