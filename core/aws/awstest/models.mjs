// Cuts AWS's own service models (botocore, Apache-2.0) to the operations that Breakwater uses and that its fake has,
// without prose:
//
//     node models.mjs FOLDER testdata
//
// FOLDER has SERVICE.json for each service: a service-2.json of botocore under the name of its service.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const used = {
  ecs: [
    "ContinueServiceDeployment", "DescribeServiceDeployments", "DescribeServiceRevisions", "DescribeServices",
    "DescribeTaskDefinition", "ListServiceDeployments", "RegisterTaskDefinition", "StopServiceDeployment", "UpdateService",
  ],
  lambda: ["GetAlias", "GetFunctionConfiguration", "ListVersionsByFunction", "PublishVersion", "UpdateAlias", "UpdateFunctionCode"],
  codedeploy: [
    "BatchGetDeploymentTargets", "BatchGetDeployments", "ContinueDeployment", "CreateDeployment", "GetDeployment",
    "GetDeploymentGroup", "ListDeploymentTargets", "ListDeployments", "StopDeployment",
  ],
  codebuild: ["BatchGetBuilds", "ListBuildsForProject", "StartBuild", "StopBuild"],
  codecommit: [
    "GetBranch", "GetCommentsForComparedCommit", "GetCommentsForPullRequest", "GetCommit", "GetFile", "GetPullRequest",
    "GetPullRequestApprovalStates", "ListPullRequests", "PostCommentForComparedCommit", "PostCommentForPullRequest",
    "UpdateComment", "UpdatePullRequestApprovalState",
  ],
  codepipeline: [
    "DisableStageTransition", "EnableStageTransition", "GetPipelineExecution", "GetPipelineState", "ListActionExecutions", "ListPipelineExecutions", "PutApprovalResult",
    "RollbackStage", "StartPipelineExecution", "StopPipelineExecution",
  ],
};
const kept = new Set([
  "type", "required", "members", "member", "key", "value", "shape", "enum", "min", "max", "pattern", "location",
  "locationName", "error", "exception", "timestampFormat", "document",
]);

// bare drops prose and what the fake does not look at. Under "members" a key is the name of a field, whatever it says.
function bare(value, names = false) {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  const cut = {};
  for (const [key, v] of Object.entries(value)) if (names || kept.has(key)) cut[key] = key === "error" ? v : bare(v, !names && key === "members");
  return cut;
}

const [folder, out] = process.argv.slice(2);
for (const [service, operations] of Object.entries(used)) {
  const whole = JSON.parse(readFileSync(join(folder, service + ".json"), "utf8"));
  const { protocol, targetPrefix, uid } = whole.metadata;
  const cut = { metadata: { protocol, targetPrefix, uid }, operations: {}, shapes: {} };
  const todo = [];
  for (const name of operations) {
    const operation = whole.operations[name];
    if (!operation) throw new Error(`${service} has no ${name}`);
    const { http, input, output, errors } = operation;
    cut.operations[name] = { http, input, output, errors };
    for (const used of [input, output, ...(errors ?? [])]) if (used) todo.push(used.shape);
  }
  while (todo.length) {
    const name = todo.pop();
    if (cut.shapes[name]) continue;
    const shape = (cut.shapes[name] = bare(whole.shapes[name]));
    for (const used of [shape.member, shape.key, shape.value, ...Object.values(shape.members ?? {})]) if (used) todo.push(used.shape);
  }
  writeFileSync(join(out, service + ".json"), JSON.stringify(cut) + "\n");
}
