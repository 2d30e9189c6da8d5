"use strict";

/** Reads what payload.py wrote: base64, gzip, JSON. */
async function readData() {
  const text = atob(document.getElementById("data").textContent);
  // A loop, because Uint8Array.from calls a function for each of a million bytes.
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** Reads what `number` of payload.py wrote: null is NaN, and infinity is a word. */
function numberOf(value) {
  return value === null ? NaN : Number(value);
}

/** One model under one condition (-1: control), or undefined where that was not computed. */
function cellOf(data, model, condition) {
  return data.cells.find((cell) => cell.model === model && cell.condition === condition);
}
