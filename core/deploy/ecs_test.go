package deploy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
)

// newService has the service main/use1-a, which runs shop:v1 beside a sidecar.
func newService(t *testing.T) *cloud {
	c := newCloud(t, "aws-ecs", &core.ECS{Cluster: "main", Service: "{{target}}", Container: "web", Image: "shop:{{version}}"})
	c.timeout = time.Hour
	c.Look(home, func(s *awstest.State) {
		first := s.Register(map[string]any{"family": "shop", "cpu": "256", "taskRoleArn": "arn:aws:iam::123456789012:role/shop", "networkMode": "awsvpc",
			"containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:v1", "memory": 512}, map[string]any{"name": "proxy", "image": "proxy:3"}}},
			[]any{map[string]any{"key": "team", "value": "shop"}})
		service := new(awstest.Service)
		s.Services["main/use1-a"] = service
		s.Update(service, first).State = "COMPLETED"
	})
	return c
}

// service shows the service, and lets it be changed.
func (c *cloud) service(look func(s *awstest.State, service *awstest.Service)) {
	c.Look(home, func(s *awstest.State) { look(s, s.Services["main/use1-a"]) })
}

// rolls says what becomes of new deployments of the service.
func (c *cloud) rolls(what func(d *awstest.TaskRollout)) {
	c.service(func(_ *awstest.State, service *awstest.Service) { service.Starts = what })
}

// wantImage compares what the service runs, and that it is at rest.
func (c *cloud) wantImage(want string) {
	c.t.Helper()
	c.service(func(s *awstest.State, service *awstest.Service) {
		if got := s.Image(service.Definition); got != want || service.Busy() {
			c.t.Errorf("the service runs %s; want %s", got, want)
		}
	})
}

func TestECS(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		c := newService(t)
		c.timeout = timeout
		behave := func(b deploytest.Behavior) {
			first := true
			c.service(func(s *awstest.State, service *awstest.Service) {
				for _, d := range service.Deployments {
					d.Looks = 2
				}
				service.Starts = func(d *awstest.TaskRollout) {
					switch {
					case b == deploytest.Fails:
						d.Fails = deploytest.Complaint + " " + deploytest.Secret
					case b == deploytest.Hangs && first:
						d.Looks, first = -1, false
					case b == deploytest.Lies && first:
						first = false
						s.Update(service, service.Deployments[len(service.Deployments)-1].Definition)
					}
				}
			})
		}
		w := c.world(b, behave,
			func(s *awstest.State, target string) string {
				if s.Services["main/"+target] == nil {
					return ""
				}
				return strings.TrimPrefix(s.Image(s.Services["main/"+target].Runs()), "shop:")
			},
			func(s *awstest.State) bool {
				return len(s.Services["main/use1-a"].Deployments) > 1 && s.Services["main/use1-a"].Busy()
			}, "UpdateService")
		w.Foreign = func(string) func() bool {
			var theirs *awstest.TaskRollout
			c.service(func(s *awstest.State, service *awstest.Service) {
				theirs = s.Update(service, service.Definition)
				theirs.Looks = 3
			})
			return func() bool { return theirs.State == "COMPLETED" }
		}
		return w
	})
}

// TestECSRounds: forwards, once more without anything, back to the very definition that was there, and the same again.
func TestECSRounds(t *testing.T) {
	c := newService(t)
	c.rolls(func(d *awstest.TaskRollout) { d.Looks = 3 })
	c.service(func(_ *awstest.State, service *awstest.Service) { service.Late = 2 })
	driver := c.open()
	for i, a := range []core.Act{act(), again(act()), back(), again(back()), again(again(act())), again(again(back()))} {
		if output, err := driver.Deploy(t.Context(), a); err != nil {
			t.Errorf("%d: %v\n%s", i, err, output)
		}
		c.wantImage("shop:" + a.Version)
	}
	if c.count("RegisterTaskDefinition") != 1 || c.count("UpdateService") != 4 {
		t.Errorf("%q", c.actions())
	}
	c.service(func(s *awstest.State, service *awstest.Service) {
		if service.Definition != "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:1" {
			t.Errorf("it runs %s", service.Definition)
		}
		made := s.Definitions["shop"][1]
		if text := fmt.Sprint(made.Fields, made.Tags); !strings.Contains(text, "proxy:3") || !strings.Contains(text, "role/shop") || !strings.Contains(text, "value:shop") {
			t.Errorf("it is not the definition before with another image: %s", text)
		}
	})
	if n := driver.(core.Counted).Requests(); n != len(c.Asked()) {
		t.Errorf("%d requests are counted of %d", n, len(c.Asked()))
	}
}

// TestECSEnds: how a deployment may end, and what is said of it. A service that is stable again is no success.
func TestECSEnds(t *testing.T) {
	for name, c := range map[string]struct {
		starts func(d *awstest.TaskRollout)
		want   string
		image  string
	}{
		"circuit breaker": {func(d *awstest.TaskRollout) { d.Looks, d.Fails, d.Undo = 1, "tasks failed to start", true },
			"has failed: tasks failed to start; the service says: unable to place a task; ECS has put back what was there: it runs shop:1", "shop:v1"},
		"no rollback": {func(d *awstest.TaskRollout) { d.Fails = "tasks failed to start" },
			"tasks failed to start; the service says: unable to place a task; ECS does not put back what was there: turn on the rollback of its circuit breaker", "shop:v2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newService(t)
			w.service(func(_ *awstest.State, service *awstest.Service) {
				service.Events = []string{"unable to place a task", "older"}
			})
			w.rolls(c.starts)
			w.deploy(t.Context(), act(), c.want)
			w.wantImage(c.image)
			w.rolls(nil)
			w.deploy(t.Context(), back(), "") // whether or not ECS has put it back already
			w.wantImage("shop:v1")
		})
	}
}

// TestECSRollbackFails: a way back that fails is never taken for one that has worked.
func TestECSRollbackFails(t *testing.T) {
	c := newService(t)
	c.deploy(t.Context(), act(), "")
	c.rolls(func(d *awstest.TaskRollout) { d.Fails, d.Undo = "no capacity", true })
	c.deploy(t.Context(), back(), "has failed: no capacity; ECS has put back what was there: it runs shop:2")
	c.rolls(nil)
	c.deploy(t.Context(), again(back()), "")
	c.wantImage("shop:v1")
}

// TestECSForeign: what somebody else does to the service is waited for, or said.
func TestECSForeign(t *testing.T) {
	foreign := func(c *cloud, looks int) {
		c.service(func(s *awstest.State, service *awstest.Service) {
			s.Update(service, s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:x"}}}, nil)).Looks = looks
		})
	}
	c := newService(t)
	foreign(c, 4)
	if output := c.deploy(t.Context(), act(), ""); !strings.Contains(output, "waiting for deployment ecs-svc/2 of main/use1-a, to shop:2") {
		t.Errorf("%q", output)
	}
	c.wantImage("shop:v2")
	c.deploy(t.Context(), back(), "")
	c.wantImage("shop:x")

	c = newService(t)
	foreign(c, -1)
	ctx, cancel := context.WithCancel(t.Context())
	c.clock.(*ticking).waits = func(time.Time) { cancel() }
	c.deploy(ctx, act(), "stopped: context canceled, and nothing was started: deployment ecs-svc/2 of main/use1-a to shop:2 is not ours, and goes on")
	if c.count("UpdateService") != 0 {
		t.Errorf("%q", c.actions())
	}

	c = newService(t) // in the middle of ours
	c.rolls(func(d *awstest.TaskRollout) { d.Looks = -1 })
	once := true
	c.clock.(*ticking).waits = func(time.Time) {
		if c.count("UpdateService") == 1 && once {
			once = false
			foreign(c, 0)
		}
	}
	c.deploy(t.Context(), act(), "main/use1-a goes to shop:3, and not to shop:2: ECS has taken that back, or somebody else has deployed")
}

// TestECSSince: a rollback does not go over what somebody else has deployed since.
func TestECSSince(t *testing.T) {
	c := newService(t)
	c.deploy(t.Context(), act(), "")
	c.service(func(s *awstest.State, service *awstest.Service) {
		other := s.Register(map[string]any{"family": "hotfix", "containerDefinitions": []any{map[string]any{"name": "web", "image": "hotfix:1"}}}, nil)
		s.Update(service, other).State = "COMPLETED"
	})
	output := c.deploy(t.Context(), back(), "")
	if !strings.Contains(output, "main/use1-a runs hotfix:1, which this rollout has not put there") {
		t.Errorf("%q", output)
	}
	c.wantImage("hotfix:1")
}

// TestECSAdopts: what an attempt that died has left going on is waited for, or turned round.
func TestECSAdopts(t *testing.T) {
	for name, c := range map[string]struct {
		now     core.Act
		image   string
		updates int
	}{"the same goes on": {again(act()), "shop:v2", 1}, "now back": {back(), "shop:v1", 2}} {
		t.Run(name, func(t *testing.T) {
			w := newService(t)
			first := true
			w.rolls(func(d *awstest.TaskRollout) {
				if first {
					d.Looks, first = 4, false
				}
			})
			w.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				out, fault := serve()
				if action == "ecs:UpdateService" { // the process dies
					w.Meddle(denies("ecs:DescribeServices"))
				}
				return out, fault
			})
			w.deploy(t.Context(), act(), "AWS refuses ecs:DescribeServices")
			w.Meddle(nil)
			w.deploy(t.Context(), c.now, "")
			w.wantImage(c.image)
			if w.count("UpdateService") != c.updates || w.count("RegisterTaskDefinition") != 1 {
				t.Errorf("%q", w.actions())
			}
		})
	}
}

// TestECSCutOff: forwards, a service is told to go back; a way back goes on.
func TestECSCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		act   core.Act
		want  string
		image string
	}{
		"forwards": {act(), "stopped: context canceled; main/use1-a runs shop:1 again", "shop:v1"},
		"back":     {back(), "stopped: context canceled; main/use1-a goes on to go back to shop:1: see that it gets there", "shop:v1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newService(t)
			if c.act.Rollback {
				w.deploy(t.Context(), act(), "")
			}
			first := true
			w.rolls(func(d *awstest.TaskRollout) {
				if first {
					d.Looks, first = -1, false
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			w.clock.(*ticking).waits = func(time.Time) { cancel() }
			w.deploy(ctx, c.act, c.want)
			w.service(func(s *awstest.State, service *awstest.Service) {
				if got := s.Image(service.Definition); got != c.image {
					t.Errorf("it goes to %s", got)
				}
			})
		})
	}
}

// TestECSTroubles: what AWS throttles or loses.
func TestECSTroubles(t *testing.T) {
	for name, meddle := range map[string]awstest.Meddler{
		"throttled": throttles("ecs:UpdateService", 3), "throttled look": throttles("ecs:DescribeServices", 3),
		"lost answer": losesAnswers("ecs:UpdateService", 1), "lost definition": losesAnswers("ecs:RegisterTaskDefinition", 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := newService(t)
			c.Meddle(meddle)
			c.deploy(t.Context(), act(), "")
			c.wantImage("shop:v2")
			c.deploy(t.Context(), back(), "")
			c.wantImage("shop:v1")
		})
	}
}

// TestECSRefuses: services and definitions that could not be deployed, or not be put back.
func TestECSRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *awstest.State, service *awstest.Service)
		want   string
	}{
		"CodeDeploy's": {func(_ *awstest.State, service *awstest.Service) { service.Controller = "CODE_DEPLOY" }, "main/use1-a is deployed by CODE_DEPLOY, and not by ECS: use another driver, such as aws-codedeploy"},
		"none":         {func(s *awstest.State, _ *awstest.Service) { delete(s.Services, "main/use1-a") }, "there is no service main/use1-a"},
		"no way back": {func(s *awstest.State, _ *awstest.Service) {
			s.Definitions["shop"][0].Status = "INACTIVE"
			s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{}}, nil)
		}, "main/use1-a runs shop:1, which is INACTIVE and could not be put back"},
		"another container": {func(s *awstest.State, _ *awstest.Service) {
			s.Definitions["shop"][0].Fields["containerDefinitions"] = []any{map[string]any{"name": "app", "image": "x"}}
		}, "shop:1 has no container web"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newService(t)
			w.service(c.change)
			w.deploy(t.Context(), act(), c.want)
			if w.count("UpdateService") != 0 {
				t.Errorf("%q", w.actions())
			}
		})
	}
}

// TestECSPolicy: the policy in docs/drivers.md is what a deploy asks for, and nothing else.
func TestECSPolicy(t *testing.T) {
	t.Run("rolling", func(t *testing.T) { newService(t).deploy(t.Context(), act(), "") })
	t.Run("shifting", func(t *testing.T) {
		c := newShifted(t, "CANARY", 12*time.Hour)
		c.deploy(t.Context(), act(), "")
		c.confirm(t.Context(), act(), "")
		c = newShifted(t, "CANARY", 0)
		c.shifting(func(d *awstest.Shift) { d.Hangs = true })
		ctx, cancel := context.WithCancel(t.Context())
		c.clock.(*ticking).waits = func(time.Time) { cancel() }
		c.deploy(ctx, act(), "main/use1-a runs shop:1 again")
	})
	leastPrivilege(t, "aws-ecs")
}
