// Builds the Allure report that the JSON file named on the command line describes (see build.py), as single HTML files.
// Prints one line of JSON: how many results it has read, and what came of the quality gate.
import { readFile } from "node:fs/promises";
import { AllureReport, resolveConfig } from "@allurereport/core";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));

const environments = Object.fromEntries(
  job.environments.map(({ id, name, model }) => [
    id,
    { name, matcher: ({ labels }) => labels.some((label) => label.name === "model" && label.value === model) },
  ]),
);

const config = await resolveConfig(
  {
    name: job.name,
    output: job.output,
    historyPath: job.history,
    historyLimit: 50,
    environments,
    categories: job.categories,
    performance: job.performance,
    qualityGate: job.gate ? { rules: [job.gate] } : undefined,
    plugins: {
      awesome: { options: { singleFile: true, groupBy: job.groupBy, charts: job.charts } },
      dashboard: { options: { singleFile: true, layout: job.charts } },
    },
  },
  { cwd: job.output },
);

const report = new AllureReport(config);
await report.start();
await report.readDirectory(job.results);
const read = (await report.store.allTestResults({ includeRetries: true })).length;
let gate = [];
if (report.hasQualityGate) {
  const trs = await report.store.allTestResults({ includeRetries: false });
  gate = (await report.validate({ trs })).results;
  report.realtimeDispatcher.sendQualityGateResults(gate);
}
await report.done();
console.log(JSON.stringify({ read, gate: gate.map(({ success, rule, message }) => ({ success, rule, message })) }));
