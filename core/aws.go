package core

// AWS is where on AWS a target is, and as whom it is reached. What is not given is as the job's environment says. In
// every text {{target}}, {{version}} and {{labels.NAME}} are filled in, see [Act.Fill].
type AWS struct {
	Region  string `json:"region,omitempty" jsonschema_description:"Region, such as eu-west-1 or {{labels.region}}. Default: AWS_REGION."`
	Role    string `json:"role,omitempty" jsonschema_description:"ARN of a role that is taken on for the target. Default: the job's own credentials."`
	Account string `json:"account,omitempty" jsonschema_description:"The only account in which anything is done, 12 digits. Default: that of the credentials."`
}
