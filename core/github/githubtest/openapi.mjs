// Cuts GitHub's own OpenAPI description (npm: @octokit/openapi, MIT) to the operations that Breakwater uses and that its
// fake has, without prose and examples:
//
//     node openapi.mjs FOLDER/generated/api.github.com.json > openapi.json
import { readFileSync } from "node:fs";

const repo = "/repos/{owner}/{repo}";
const used = {
  "": ["get"],
  "/git/matching-refs/{ref}": ["get"],
  "/git/refs": ["post"],
  "/git/refs/{ref}": ["delete", "patch"],
  "/git/commits": ["post"],
  "/git/commits/{commit_sha}": ["get"],
  "/git/trees": ["post"],
  "/git/trees/{tree_sha}": ["get"],
  "/git/blobs/{file_sha}": ["get"],
  "/commits/{ref}/status": ["get"],
  "/commits/{ref}/check-runs": ["get"],
  "/commits/{commit_sha}/pulls": ["get"],
  "/statuses/{sha}": ["post"],
  "/check-runs": ["post"],
  "/check-runs/{check_run_id}": ["patch"],
  "/check-runs/{check_run_id}/annotations": ["get"],
  "/deployments": ["get", "post"],
  "/deployments/{deployment_id}/statuses": ["get", "post"],
  "/pulls": ["get"],
  "/issues/{issue_number}/comments": ["get", "post"],
  "/issues/comments/{comment_id}": ["patch"],
  "/actions/runs/{run_id}": ["get"],
  "/actions/runs/{run_id}/rerun": ["post"],
  "/actions/runs/{run_id}/attempts/{attempt_number}/jobs": ["get"],
  "/actions/runs/{run_id}/cancel": ["post"],
  "/actions/runs/{run_id}/jobs": ["get"],
  "/actions/workflows/{workflow_id}/dispatches": ["post"],
  "/actions/workflows/{workflow_id}/runs": ["get"],
};
const prose = new Set(["description", "summary", "example", "examples", "externalDocs", "tags", "x-github", "x-octokit"]);

// bare drops prose. Under "properties" a key is the name of a field, whatever it says.
function bare(value, names = false) {
  if (Array.isArray(value)) return value.map((v) => bare(v));
  if (value === null || typeof value !== "object") return value;
  const kept = {};
  for (const [key, v] of Object.entries(value)) {
    if (!names && prose.has(key)) continue;
    kept[key] = bare(v, !names && (key === "properties" || key === "headers"));
  }
  if (!names && typeof value.description === "string" && isResponse(value)) kept.description = ""; // it must have one
  return kept;
}
const isResponse = (v) => Object.keys(v).every((k) => ["description", "content", "headers", "links"].includes(k));

const whole = JSON.parse(readFileSync(process.argv[2], "utf8"));
const cut = {
  openapi: whole.openapi,
  info: { title: "GitHub's REST API, cut", version: whole.info.version, license: { name: whole.info.license.name } },
  paths: {},
  components: {},
};
for (const [path, methods] of Object.entries(used)) {
  const item = whole.paths[repo + path];
  if (!item) throw new Error(`GitHub has no ${path}`);
  cut.paths[repo + path] = {};
  for (const method of methods) {
    if (!item[method]) throw new Error(`GitHub has no ${method} ${path}`);
    cut.paths[repo + path][method] = bare(item[method]);
  }
}
// What is referred to comes along, and what that refers to.
const todo = [cut.paths];
while (todo.length) {
  const value = todo.pop();
  if (value === null || typeof value !== "object") continue;
  for (const [key, v] of Object.entries(value)) {
    if (key === "$ref" && typeof v === "string") {
      const [, , kind, name] = v.split("/");
      cut.components[kind] ??= {};
      if (!cut.components[kind][name]) todo.push((cut.components[kind][name] = bare(whole.components[kind][name])));
    } else todo.push(v);
  }
}
process.stdout.write(JSON.stringify(cut) + "\n");
