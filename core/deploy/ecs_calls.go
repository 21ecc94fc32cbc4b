package deploy

import (
	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/breakwater-ci/breakwater/core/aws"
)

type ecsCall[Input, Output any] = aws.Call[Input, Output, ecs.Options]

// ecsCalls are what is asked of ECS.
type ecsCalls struct {
	services    ecsCall[ecs.DescribeServicesInput, ecs.DescribeServicesOutput]
	update      ecsCall[ecs.UpdateServiceInput, ecs.UpdateServiceOutput]
	definition  ecsCall[ecs.DescribeTaskDefinitionInput, ecs.DescribeTaskDefinitionOutput]
	register    ecsCall[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]
	list        ecsCall[ecs.ListServiceDeploymentsInput, ecs.ListServiceDeploymentsOutput]
	deployments ecsCall[ecs.DescribeServiceDeploymentsInput, ecs.DescribeServiceDeploymentsOutput]
	revisions   ecsCall[ecs.DescribeServiceRevisionsInput, ecs.DescribeServiceRevisionsOutput]
	proceed     ecsCall[ecs.ContinueServiceDeploymentInput, ecs.ContinueServiceDeploymentOutput]
	stop        ecsCall[ecs.StopServiceDeploymentInput, ecs.StopServiceDeploymentOutput]
}

func ecsCallsOf(way sdk.Config) ecsCalls {
	api := ecs.NewFromConfig(way)
	return ecsCalls{
		services: api.DescribeServices, update: api.UpdateService, definition: api.DescribeTaskDefinition, register: api.RegisterTaskDefinition,
		list: api.ListServiceDeployments, deployments: api.DescribeServiceDeployments, revisions: api.DescribeServiceRevisions,
		proceed: api.ContinueServiceDeployment, stop: api.StopServiceDeployment,
	}
}
