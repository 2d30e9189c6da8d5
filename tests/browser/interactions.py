"""What a reader does with the table of classes, and how long the page takes: for its tests and its benchmark."""

from __future__ import annotations

# A control's selector, what is done to it, and with which value.
INTERACTIONS: tuple[tuple[str, str, str | bool | None], ...] = (
    ("#filter-name", "input", "re"),
    ("#filter-name", "input", ""),
    ("#filter-condition", "input", "7"),
    ("#filter-condition", "input", ""),
    ("#filter-sensitive", "check", True),
    ("#filter-sensitive", "check", False),
    ("#filter-beyond", "check", True),
    ("#filter-beyond", "check", False),
    ("th:nth-child(1) > button", "click", None),
    ("th:nth-child(2) > button", "click", None),
    ("th:nth-child(6) > button", "click", None),
    ("th:nth-child(7) > button", "click", None),
    ("#page-after", "click", None),
)
# Runs an interaction and waits, in the page's own thread, until its effect is laid out: milliseconds.
TIMED = """
([selector, kind, value]) => {
  const control = document.querySelector(selector);
  const start = performance.now();
  if (kind === "click") control.click();
  else {
    if (kind === "check") control.checked = value; else control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  }
  document.body.getBoundingClientRect();
  return performance.now() - start;
}
"""
