"use strict";

/** Reads what payload.py wrote: base64, gzip, JSON. */
async function readData() {
  const text = atob(document.getElementById("data").textContent);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** From what payload.number wrote: null is no number, and an infinite one is a word. */
function numberOf(value) {
  return value === null ? NaN : Number(value);
}

/** Counts by class of one model under one condition (-1: control), or null where that was not computed. */
function countsOf(data, model, condition) {
  const cell = data.cells.find((row) => row[0] === model && row[1] === condition);
  return cell ? { n: data.sizes[cell[2]], correct: cell[3] } : null;
}

function accuracyOf(counts) {
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  return (100 * sum(counts.correct)) / Math.max(1, sum(counts.n));
}
