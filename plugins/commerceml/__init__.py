"""CommerceML 2 as 1C, BAS and MoySklad write it: bytes to values and back. Pure; formats and systems use it."""
