package core

// A Workflow is the options of the driver github-workflow: a workflow on GitHub, started once for each target. What it
// is started with beside its own inputs is [WorkflowInputs].
type Workflow struct {
	Workflow   string            `json:"workflow" jsonschema_description:"File name of the workflow, such as deploy.yml. It runs on workflow_dispatch."`
	Repository string            `json:"repository,omitempty" jsonschema_description:"OWNER/NAME of the repository that has the workflow. Default: the job's own."`
	Ref        string            `json:"ref,omitempty" jsonschema_description:"Branch or tag that the workflow runs on. Default: that of the job, in its own repository; another one needs it."`
	Inputs     map[string]string `json:"inputs,omitempty" jsonschema_description:"Further inputs of the workflow, the same for every target. ${NAME} is filled in. They show in the run: no secrets."`
}

// WorkflowInputs are what a workflow is told of an act, in inputs of these names. It must declare all of them: GitHub
// refuses what is not declared.
var WorkflowInputs = []string{"attempt", "breakwater", "previous", "rollback", "rollout", "target", "version", "wave"}
