package core

import "time"

// An ECS is the options of the driver aws-ecs: a service goes over to its own task definition with another image, by whichever
// strategy it has.
// In every text {{target}}, {{version}} and {{labels.NAME}} are filled in, see [Act.Fill].
type ECS struct {
	Cluster   string        `json:"cluster" jsonschema_description:"Name or ARN of the cluster."`
	Service   string        `json:"service" jsonschema_description:"Name of the service."`
	Container string        `json:"container" jsonschema_description:"Name of the container that gets the image."`
	Image     string        `json:"image" jsonschema_description:"The image, with {{version}} in it, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkout:{{version}}. What a tag stands for must not change."`
	Pause     time.Duration `json:"pause,omitempty" jsonschema_description:"Longest time for which ECS waits for the end of the bake, with all traffic on the new version and the old one still there; then it goes back by itself. For services with the strategy BLUE_GREEN, LINEAR or CANARY. Whole minutes, longer than every bake. Default: it does not wait."`
	AWS       AWS           `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}
