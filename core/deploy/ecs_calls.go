package deploy

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// A call is one operation of ECS.
type call[In, Out any] func(context.Context, *In, ...func(*ecs.Options)) (*Out, error)

// ecsCalls are what is asked of ECS. A program that reflects on types keeps every method of every type that it can reach; so
// no type here has the client in it, with all of its operations.
type ecsCalls struct {
	services    call[ecs.DescribeServicesInput, ecs.DescribeServicesOutput]
	update      call[ecs.UpdateServiceInput, ecs.UpdateServiceOutput]
	definition  call[ecs.DescribeTaskDefinitionInput, ecs.DescribeTaskDefinitionOutput]
	register    call[ecs.RegisterTaskDefinitionInput, ecs.RegisterTaskDefinitionOutput]
	list        call[ecs.ListServiceDeploymentsInput, ecs.ListServiceDeploymentsOutput]
	deployments call[ecs.DescribeServiceDeploymentsInput, ecs.DescribeServiceDeploymentsOutput]
	revisions   call[ecs.DescribeServiceRevisionsInput, ecs.DescribeServiceRevisionsOutput]
	proceed     call[ecs.ContinueServiceDeploymentInput, ecs.ContinueServiceDeploymentOutput]
	stop        call[ecs.StopServiceDeploymentInput, ecs.StopServiceDeploymentOutput]
}

func ecsCallsOf(way sdk.Config) ecsCalls {
	api := ecs.NewFromConfig(way)
	return ecsCalls{
		services: api.DescribeServices, update: api.UpdateService, definition: api.DescribeTaskDefinition, register: api.RegisterTaskDefinition,
		list: api.ListServiceDeployments, deployments: api.DescribeServiceDeployments, revisions: api.DescribeServiceRevisions,
		proceed: api.ContinueServiceDeployment, stop: api.StopServiceDeployment,
	}
}
