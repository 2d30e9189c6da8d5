const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/u;
const NUMBER = /^[+-]?(\p{Nd}+\.?\p{Nd}*|\.\p{Nd}+)([eE][+-]?\p{Nd}+)?$/u;

/** A text behind an apostrophe where a spreadsheet would run it as a formula: the rule of `for_csv` in core/text.py. */
function csvText(text) {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}

/** A field of a CSV file: a number as programs read it, and a text that no spreadsheet runs. */
function csvField(value) {
  const text = typeof value === "number" ? csvNumber(value) : csvText(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvNumber(value) {
  return Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "" : value < 0 ? "-inf" : "inf";
}

/** The rows that the explorer shows, on every page of it, in its order. */
function explorerCsv({ data, shown }) {
  const head = ["class_index", "class_name", "transform", "severity", "control_accuracy", "accuracy", "difference", "expected_change", "effect_size", "p_value", "p_adjusted", "sensitive", "images_p_adjusted", "beyond", "alone"];
  const lines = shown.map((row) => {
    const { transform, severity } = data.conditions[row.test.condition];
    return [
      row.index, data.classes[row.index], transform, severity ?? "",
      ...[row.control, row.treated, row.change, row.expected, row.effect, row.p, row.corrected], Boolean(row.sensitive),
      row.pImages, Boolean(row.beyond), row.alone.join("; "),
    ].map(csvField).join(",");
  });
  return [head.join(","), ...lines, ""].join("\n");
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Some browsers keep the clipboard from pages that are files.
    const area = make("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
