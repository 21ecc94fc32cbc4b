package core

import "time"

// A Lambda is the options of the driver aws-lambda: an alias of a function, whose traffic goes to a version. In every text
// {{target}}, {{version}} and {{labels.NAME}} are filled in, see [Act.Fill].
type Lambda struct {
	Function string        `json:"function" jsonschema_description:"Name or ARN of the function, such as checkout or checkout-{{target}}."`
	Alias    string        `json:"alias" jsonschema_description:"Alias that callers use, such as live. It must exist."`
	Code     *LambdaCode   `json:"code,omitempty" jsonschema_description:"Where the code of a version is that was not published yet. Default: it must have been published, with the version as its description or number."`
	Steps    []Ratio       `json:"steps,omitempty" jsonschema_description:"Shares of the traffic that the new version gets before it gets all, such as [10%, 50%]. Default: all at once. A rollback has no steps."`
	Pause    time.Duration `json:"pause,omitempty" jsonschema_description:"Time after each step. Default: 1m."`
	AWS      AWS           `json:"aws,omitempty" jsonschema_description:"Region, role and account. Default: as the job's environment says."`
}

// LambdaCode is where the code of a function is: an object of S3, or an image.
type LambdaCode struct {
	Bucket string `json:"bucket,omitempty" jsonschema_description:"Bucket of S3 with the archive, in the function's region."`
	Key    string `json:"key,omitempty" jsonschema_description:"Key of the archive, such as checkout/{{version}}.zip."`
	Image  string `json:"image,omitempty" jsonschema_description:"Image of a container, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/checkout:{{version}}."`
}
