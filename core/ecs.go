package core

// An ECS is the options of the driver aws-ecs: a rolling update of a service, to its own task definition with another image.
// In every text {{target}}, {{version}} and {{labels.NAME}} are filled in, see [Act.Fill].
type ECS struct {
	Cluster   string `json:"cluster" jsonschema_description:"Name or ARN of the cluster."`
	Service   string `json:"service" jsonschema_description:"Name of the service."`
	Container string `json:"container" jsonschema_description:"Name of the container that gets the image."`
	Image     string `json:"image" jsonschema_description:"The image, with {{version}} in it, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkout:{{version}}. What a tag stands for must not change."`
	AWS       AWS    `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}
