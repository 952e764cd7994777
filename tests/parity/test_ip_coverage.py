"""COVERAGE.md is current: it has a row for every form, and the rows that are made anew are the same."""

from __future__ import annotations

import re

import forms
import pytest
from universe import missing

EVERY = 12  # the whole table takes most of a minute


def test_every_form_has_its_row() -> None:
    rows = re.findall(r"(?m)^\| `ip (.*?)` \| (.*) \|$", forms.TABLE.read_text())
    assert [form for form, _ in rows] == forms.FORMS.read_text().splitlines()
    assert f"{sum(verdict.startswith('same') for _, verdict in rows)} of {len(rows)} are the same" in forms.TABLE.read_text()


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_rows_made_anew_are_the_same() -> None:
    lines = forms.TABLE.read_text().splitlines()
    for form in forms.FORMS.read_text().splitlines()[::EVERY]:
        assert forms.fresh_row(form) in lines, form
