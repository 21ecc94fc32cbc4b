package core

// A CodeBuild is the options of the driver aws-codebuild: one build of a project for each act. What a build is told beside
// its own variables is [BuildVariables]. In every text {{target}}, {{version}} and {{labels.NAME}} are filled in, see
// [Act.Fill].
type CodeBuild struct {
	Project       string            `json:"project" jsonschema_description:"Name of the project."`
	SourceVersion string            `json:"source_version,omitempty" jsonschema_description:"Version of the source that is built, such as {{version}}. Default: the project's, for one that takes BREAKWATER_VERSION."`
	Env           map[string]string `json:"env,omitempty" jsonschema_description:"Further variables of the build, as plain text. They show in the build: no secrets."`
	AWS           AWS               `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}

// BuildVariables are what a build is told of an act, in variables of these names. One without a value is left out.
var BuildVariables = []string{"BREAKWATER_ATTEMPT", "BREAKWATER_MARK", "BREAKWATER_PREVIOUS", "BREAKWATER_ROLLBACK",
	"BREAKWATER_ROLLOUT", "BREAKWATER_TARGET", "BREAKWATER_VERSION", "BREAKWATER_WAVE"}
