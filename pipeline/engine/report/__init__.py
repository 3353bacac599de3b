"""The sheet of a day: shop against books, what waits, what changed; for the screen, the page, a workbook, a notice."""
