package core

// A Pipeline is the options of the driver gitlab-pipeline: a pipeline on GitLab, created once for each target. What it is
// given beside its own variables is [PipelineVariables].
type Pipeline struct {
	Project   string            `json:"project,omitempty" jsonschema_description:"GROUP/NAME of the project that has the pipeline. Default: the job's own."`
	Ref       string            `json:"ref,omitempty" jsonschema_description:"Branch or tag that the pipeline runs on. Default: that of the job, in its own project; another one needs it."`
	Variables map[string]string `json:"variables,omitempty" jsonschema_description:"Further variables of the pipeline, the same for every target. ${NAME} is filled in. They show in the pipeline: no secrets."`
}

// A ManualJob is the options of the driver gitlab-job: a manual job of the pipeline that the rollout runs in, played for
// each target. It is given [PipelineVariables] too.
type ManualJob struct {
	Job       string            `json:"job" jsonschema_description:"Name of the job, with {{target}} or {{labels.NAME}} in it."`
	Variables map[string]string `json:"variables,omitempty" jsonschema_description:"Further variables of the job, the same for every target. ${NAME} is filled in. They show in the job: no secrets."`
}

// MarkVariable is what a pipeline or a job of GitLab's is known by.
const MarkVariable = "BREAKWATER_MARK"

// PipelineVariables are what pipelines and jobs of GitLab's are told of an act, in variables of these names. Labels of the
// target come as BREAKWATER_LABEL_<NAME>.
var PipelineVariables = []string{"BREAKWATER_ACTION", "BREAKWATER_ATTEMPT", MarkVariable, "BREAKWATER_PREVIOUS", "BREAKWATER_ROLLOUT",
	"BREAKWATER_TARGET", "BREAKWATER_VERSION", "BREAKWATER_WAVE"}
