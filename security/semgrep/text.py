"""What the rules of text.yaml find, and what they leave alone."""

import csv
import re

import pandas
from starlette.responses import HTMLResponse


def look(text, only):
    # ruleid: expression-from-outside
    found = re.search(only, text)
    # ok: expression-from-outside
    found = re.search(r"[a-z]{1,63}", text)
    # ruleid: cells-past-the-marking
    csv.writer(text).writerow([only])
    # ruleid: cells-past-the-marking
    pandas.DataFrame().to_csv("rows.csv")
    # ok: cells-past-the-marking
    rows = list(csv.reader(text))
    # ruleid: page-past-the-pieces
    return HTMLResponse(f"<p>{found}{rows}</p>")
