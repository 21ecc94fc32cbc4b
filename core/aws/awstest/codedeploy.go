package awstest

type Group struct{}
type Deployment struct{}
