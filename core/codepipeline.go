package core

// A CodePipeline is the options of the driver aws-codepipeline: one execution of a pipeline for each act. The pipeline is
// told the version in a variable, or by the revision of a source; it also declares the variable [PipelineMark]. In every
// text {{target}}, {{version}} and {{labels.NAME}} are filled in, see [Act.Fill].
type CodePipeline struct {
	Pipeline      string                `json:"pipeline" jsonschema_description:"Name of the pipeline, such as checkout-{{target}}. It is of type V2 and declares the variable BREAKWATER."`
	Variables     map[string]string     `json:"variables,omitempty" jsonschema_description:"Variables of the pipeline, such as VERSION: '{{version}}'. They show in the execution: no secrets."`
	Sources       []CodePipelineSource  `json:"sources,omitempty" jsonschema_description:"Revisions that sources have in the place of their newest."`
	Approve       *CodePipelineApproval `json:"approve,omitempty" jsonschema_description:"A manual approval that is given when the execution gets there, or when the wave has passed its bake. Default: people give it."`
	RollbackStage string                `json:"rollback_stage,omitempty" jsonschema_description:"Stage that a rollback takes back by RollbackStage. Default: a rollback runs the whole pipeline with the previous version."`
	Abandon       bool                  `json:"abandon,omitempty" jsonschema_description:"Whether an execution that is stopped leaves its actions alone. Default: it waits for their end."`
	AWS           AWS                   `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}

// CodePipelineSource is the revision that a source of a pipeline is to have.
type CodePipelineSource struct {
	Action string `json:"action" jsonschema_description:"Name of the source action."`
	Type   string `json:"type,omitempty" jsonschema_description:"What the value is. Default: COMMIT_ID." jsonschema:"enum=COMMIT_ID,enum=IMAGE_DIGEST,enum=S3_OBJECT_VERSION_ID,enum=S3_OBJECT_KEY"`
	Value  string `json:"value" jsonschema_description:"The revision, such as {{version}}."`
}

// CodePipelineApproval is an action of a pipeline that waits for somebody's approval.
type CodePipelineApproval struct {
	Stage  string `json:"stage" jsonschema_description:"Name of the stage."`
	Action string `json:"action" jsonschema_description:"Name of the action."`
	After  string `json:"after,omitempty" jsonschema_description:"When it is given. deploy: as soon as the execution waits for it; bake: once the wave has passed its bake, and what goes back is rejected. Default: deploy." jsonschema:"enum=deploy,enum=bake"`
}

// Bakes reports whether executions wait at an approval while their wave bakes.
func (c *CodePipeline) Bakes() bool { return c.Approve != nil && c.Approve.After == "bake" }

// PipelineMark is the variable that says what an execution is for.
const PipelineMark = "BREAKWATER"
