package core

// A CodeDeploy is the options of the driver aws-codedeploy: one deployment of a deployment group for each act. Exactly one of
// S3, GitHub, ECS and Lambda says what is deployed. In every text {{target}}, {{version}} and {{labels.NAME}} are filled
// in, see [Act.Fill].
type CodeDeploy struct {
	Application string            `json:"application" jsonschema_description:"Name of the application."`
	Group       string            `json:"group" jsonschema_description:"Name of the deployment group, such as {{target}}. Targets must not share one."`
	Config      string            `json:"config,omitempty" jsonschema_description:"Name of the deployment configuration, such as CodeDeployDefault.OneAtATime. Default: the group's."`
	S3          *CodeDeployS3     `json:"s3,omitempty" jsonschema_description:"A revision in S3: an archive for instances, or an AppSpec file for ECS and Lambda."`
	GitHub      *CodeDeployGitHub `json:"github,omitempty" jsonschema_description:"A revision on GitHub, for instances."`
	ECS         *CodeDeployECS    `json:"ecs,omitempty" jsonschema_description:"A task definition, for an ECS service that is deployed blue/green."`
	Lambda      *CodeDeployLambda `json:"lambda,omitempty" jsonschema_description:"A version of a function, for an alias of Lambda."`
	FileExists  string            `json:"file_exists,omitempty" jsonschema_description:"What to do with a file that is on an instance and from no deployment. Default: DISALLOW, the deployment fails." jsonschema:"enum=DISALLOW,enum=OVERWRITE,enum=RETAIN"`
	AWS         AWS               `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}

// CodeDeployS3 is a revision in S3.
type CodeDeployS3 struct {
	Bucket string `json:"bucket" jsonschema_description:"Bucket, in the region of the group."`
	Key    string `json:"key" jsonschema_description:"Key, such as checkout/{{version}}.zip."`
	Bundle string `json:"bundle,omitempty" jsonschema_description:"What the object is. Default: zip." jsonschema:"enum=zip,enum=tar,enum=tgz,enum=YAML,enum=JSON"`
}

// CodeDeployGitHub is a revision on GitHub.
type CodeDeployGitHub struct {
	Repository string `json:"repository" jsonschema_description:"OWNER/NAME of the repository."`
	Commit     string `json:"commit,omitempty" jsonschema_description:"The commit. Default: {{version}}."`
}

// CodeDeployECS is what an ECS service is to run.
type CodeDeployECS struct {
	TaskDefinition string `json:"task_definition" jsonschema_description:"ARN of the task definition, with its number, such as arn:aws:ecs:eu-west-1:123456789012:task-definition/checkout:{{version}}."`
	Container      string `json:"container" jsonschema_description:"Name of the container that gets the traffic."`
	Port           int    `json:"port" jsonschema_description:"Its port."`
}

// CodeDeployLambda is what an alias of a function is to have.
type CodeDeployLambda struct {
	Function string `json:"function" jsonschema_description:"Name of the function."`
	Alias    string `json:"alias" jsonschema_description:"The alias."`
	Version  string `json:"version,omitempty" jsonschema_description:"Number of the version. Default: {{version}}."`
}
