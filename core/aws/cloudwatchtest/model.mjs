// Cuts AWS' own description of CloudWatch (botocore: data/cloudwatch/2010-08-01/service-2.json, Apache-2.0) to the operations
// that Breakwater uses and that its fake has: the shapes of their requests, answers and errors, without prose.
//
//     node model.mjs service-2.json > model.json
import { readFileSync } from "node:fs";

const used = ["DescribeAlarmHistory", "DescribeAlarms", "GetMetricData"];
const kept = ["type", "required", "members", "member", "key", "value", "shape", "enum", "min", "max", "pattern"];

function bare(value, names = false) {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).filter(([k]) => names || kept.includes(k)).map(([k, v]) => [k, bare(v, !names && k === "members")]));
}

const whole = JSON.parse(readFileSync(process.argv[2], "utf8"));
const cut = { prefix: whole.metadata.targetPrefix, operations: {}, shapes: {} };
const todo = [];
for (const name of used) {
  const { input, output, errors } = whole.operations[name];
  cut.operations[name] = { input: input.shape, output: output.shape, errors: (errors ?? []).map((e) => e.shape) };
  todo.push(input.shape, output.shape);
}
while (todo.length) {
  const name = todo.pop();
  if (cut.shapes[name]) continue;
  const shape = (cut.shapes[name] = bare(whole.shapes[name]));
  for (const part of [shape.member, shape.key, shape.value, ...Object.values(shape.members ?? {})]) if (part) todo.push(part.shape);
}
process.stdout.write(JSON.stringify(cut) + "\n");
