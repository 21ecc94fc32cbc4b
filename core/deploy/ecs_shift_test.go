package deploy_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
)

// newShifted has the service main/use1-a whose strategy shifts traffic, and a driver that has ECS wait for so long.
func newShifted(t *testing.T, strategy string, pause time.Duration) *cloud {
	c := newService(t)
	c.options.(*core.ECS).Pause = pause
	c.service(func(s *awstest.State, service *awstest.Service) {
		service.Deployments, service.Strategy = nil, strategy
		service.Config = map[string]any{"alarms": map[string]any{"alarmNames": []any{"errors"}, "enable": true, "rollback": true}, "bakeTimeInMinutes": 0.0,
			"lifecycleHooks": []any{lambdaHook}}
		s.Shift("main/use1-a", service.Definition).Status = "SUCCESSFUL"
	})
	return c
}

// lambdaHook is one of somebody else.
var lambdaHook = map[string]any{"hookTargetArn": "arn:aws:lambda:eu-west-1:123456789012:function:smoke", "roleArn": "arn:aws:iam::123456789012:role/hooks",
	"targetType": "AWS_LAMBDA", "lifecycleStages": []any{"POST_TEST_TRAFFIC_SHIFT"}, "hookDetails": map[string]any{"url": "https://test", "codes": []any{200.0}}}

// shifting says what becomes of new deployments of the service.
func (c *cloud) shifting(what func(d *awstest.Shift)) {
	c.service(func(_ *awstest.State, service *awstest.Service) { service.StartsShift = what })
}

// shifted shows the newest deployment.
func (c *cloud) shifted(look func(d *awstest.Shift)) {
	c.service(func(_ *awstest.State, service *awstest.Service) { look(service.Shifts[len(service.Shifts)-1]) })
}

// wantShifted compares the status of the newest deployment, and how many there were.
func (c *cloud) wantShifted(status string, n int) {
	c.t.Helper()
	c.service(func(_ *awstest.State, service *awstest.Service) {
		if got := service.Shifts[len(service.Shifts)-1]; got.Status != status || len(service.Shifts) != n+1 {
			c.t.Errorf("%d deployments, the newest is %s: %s; want %d, %s", len(service.Shifts)-1, got.Status, got.Reason, n, status)
		}
	})
}

// wantHooks compares the hooks of the service.
func (c *cloud) wantHooks(pauses ...float64) {
	c.t.Helper()
	c.service(func(_ *awstest.State, service *awstest.Service) {
		hooks := service.Config["lifecycleHooks"].([]any)
		if len(hooks) != 1+len(pauses) || !deepEqual(hooks[0], lambdaHook) || service.Config["alarms"].(map[string]any)["enable"] != true {
			c.t.Fatalf("the configuration is %v", service.Config)
		}
		for i, minutes := range pauses {
			want := map[string]any{"targetType": "PAUSE", "lifecycleStages": []any{"POST_PRODUCTION_TRAFFIC_SHIFT"},
				"timeoutConfiguration": map[string]any{"action": "ROLLBACK", "timeoutInMinutes": minutes}}
			if !deepEqual(hooks[1+i], want) {
				c.t.Errorf("the hook is %v; want %v", hooks[1+i], want)
			}
		}
	})
}

// confirm tells a target that its wave has passed, and compares the error with what it must say; empty: none.
func (c *cloud) confirm(ctx context.Context, a core.Act, want string) string {
	c.t.Helper()
	output, err := c.open().(core.Confirmer).Confirm(ctx, a)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		c.t.Errorf("%v; want %q\n%s", err, want, output)
	}
	return output
}

// TestECSStrategies puts every strategy through the suite, with a pause and without.
func TestECSStrategies(t *testing.T) {
	for _, strategy := range []string{"BLUE_GREEN", "LINEAR", "CANARY"} {
		for name, pause := range map[string]time.Duration{"plain": 0, "pause": 12 * time.Hour} {
			t.Run(strategy+"/"+name, func(t *testing.T) {
				deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
					c := newShifted(t, strategy, pause)
					c.timeout = timeout
					c.service(func(_ *awstest.State, service *awstest.Service) {
						service.Config["linearConfiguration"] = map[string]any{"stepPercent": 10.0, "stepBakeTimeInMinutes": 0.0}
						service.Config["canaryConfiguration"] = map[string]any{"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 0.0}
					})
					if timeout == time.Minute {
						c.timeout = time.Hour // a look costs time here
					}
					return c.shiftWorld(b)
				})
			})
		}
	}
}

func (c *cloud) shiftWorld(b deploytest.Behavior) deploytest.World {
	behave := func(b deploytest.Behavior) {
		c.service(func(_ *awstest.State, service *awstest.Service) {
			for _, d := range service.Shifts {
				d.Hangs = false
				if d.StaysBad = b == deploytest.Fails; d.StaysBad {
					d.Fails = deploytest.Complaint + " " + deploytest.Secret
				}
			}
			service.StartsShift = func(d *awstest.Shift) {
				switch b {
				case deploytest.Fails:
					d.Fails = deploytest.Complaint + " " + deploytest.Secret
				case deploytest.Hangs:
					d.Hangs = true
				case deploytest.Lies:
					d.To = d.From
				}
			}
		})
	}
	w := c.world(b, behave,
		func(s *awstest.State, target string) string {
			if s.Services["main/"+target] == nil {
				return ""
			}
			return strings.TrimPrefix(s.Image(s.Services["main/"+target].Definition), "shop:")
		},
		func(s *awstest.State) bool {
			all := s.Services["main/use1-a"].Shifts
			return slices.Contains([]string{"PENDING", "IN_PROGRESS"}, all[len(all)-1].Status)
		}, "UpdateService")
	w.Foreign = func(string) func() bool {
		var theirs *awstest.Shift
		c.service(func(s *awstest.State, service *awstest.Service) { theirs = s.Shift("main/use1-a", service.Definition) })
		return func() bool { return theirs.Status == "SUCCESSFUL" }
	}
	return w
}

func deepEqual(a, b any) bool { return reflect.DeepEqual(a, b) }

// TestECSPause: ECS waits at the pause until the wave has passed, and then goes on; what somebody else has configured stays as
// it is, and the hook is gone in the end.
func TestECSPause(t *testing.T) {
	c := newShifted(t, "CANARY", 12*time.Hour)
	c.service(func(_ *awstest.State, service *awstest.Service) { service.Late = 2 })
	output := c.deploy(t.Context(), act(), "")
	if !strings.Contains(output, "main/use1-a has all of its traffic on shop:2: deployment 3 waits for the end of the bake, until 2026-11-26 00:") {
		t.Errorf("%q", output)
	}
	c.shifted(func(d *awstest.Shift) {
		if !d.Waits() || d.Stage != "POST_PRODUCTION_TRAFFIC_SHIFT" {
			t.Errorf("it is at %s", d.Stage)
		}
	})
	c.wantHooks(720)
	c.deploy(t.Context(), again(act()), "") // after a crash: it is adopted
	c.wantShifted("IN_PROGRESS", 1)
	for range 2 { // whoever is cut off tells it again
		c.confirm(t.Context(), act(), "")
		c.wantShifted("SUCCESSFUL", 1)
		c.wantImage("shop:v2")
		c.wantHooks()
	}
	c.deploy(t.Context(), again(act()), "") // it is there already
	c.wantShifted("SUCCESSFUL", 1)
	c.deploy(t.Context(), back(), "")
	c.wantShifted("SUCCESSFUL", 2)
	c.wantImage("shop:v1")
	c.wantHooks()
	c.deploy(t.Context(), again(back()), "")
	c.wantShifted("SUCCESSFUL", 2)
	if c.count("ContinueServiceDeployment") != 1 || c.count("RegisterTaskDefinition") != 1 || c.count("StopServiceDeployment") != 0 {
		t.Errorf("%q", c.actions())
	}
}

// TestECSUnhooks: where there was no hook, none is left.
func TestECSUnhooks(t *testing.T) {
	c := newShifted(t, "BLUE_GREEN", 12*time.Hour)
	c.service(func(_ *awstest.State, service *awstest.Service) { delete(service.Config, "lifecycleHooks") })
	c.deploy(t.Context(), act(), "")
	c.confirm(t.Context(), act(), "")
	c.service(func(_ *awstest.State, service *awstest.Service) {
		if hooks := service.Config["lifecycleHooks"].([]any); len(hooks) != 0 {
			t.Errorf("the hooks are %v", hooks)
		}
	})
}

// TestECSPauseBack: a deployment that waits goes back at once, by the very hook, and the hook is gone.
func TestECSPauseBack(t *testing.T) {
	c := newShifted(t, "BLUE_GREEN", 12*time.Hour)
	c.deploy(t.Context(), act(), "")
	for range 2 {
		c.deploy(t.Context(), back(), "")
		c.wantShifted("ROLLBACK_SUCCESSFUL", 1)
		c.wantImage("shop:v1")
		c.wantHooks()
	}
	if c.count("ContinueServiceDeployment") != 1 || c.count("StopServiceDeployment") != 0 || c.count("UpdateService") != 2 {
		t.Errorf("%q", c.actions())
	}
	c.confirm(t.Context(), act(), "deployment 3 of main/use1-a to shop:2 ended with ROLLBACK_SUCCESSFUL: a user rolled it back at a lifecycle hook; it runs shop:1")
	c.deploy(t.Context(), again(act()), "") // as after a rehearsal
	c.wantShifted("IN_PROGRESS", 2)
	c.confirm(t.Context(), again(act()), "")
	c.wantImage("shop:v2")
}

// TestECSPauseLost: a bake that came too late, or that ECS itself has cut short, is no success.
func TestECSPauseLost(t *testing.T) {
	for name, c := range map[string]struct {
		starts func(d *awstest.Shift)
		late   time.Duration
		want   string
	}{
		"timed out": {nil, 13 * time.Hour,
			"deployment 3 of main/use1-a to shop:2 ended with ROLLBACK_SUCCESSFUL: a lifecycle hook timed out; a hook of type PAUSE is TIMED_OUT; it runs shop:1"},
		"alarm": {func(d *awstest.Shift) { d.Alarm = "errors" }, 0,
			"ended with ROLLBACK_SUCCESSFUL: an alarm was triggered; the alarm errors was triggered; it runs shop:1"},
		"not even back": {func(d *awstest.Shift) { d.Alarm, d.StaysBad = "errors", true }, 0,
			"ended with ROLLBACK_FAILED: an alarm was triggered; the alarm errors was triggered; ECS could NOT go back, and nobody knows what serves now: look at the service at once"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "LINEAR", 12*time.Hour)
			w.shifting(c.starts)
			w.deploy(t.Context(), act(), "")
			clock := w.clock.(*ticking)
			if err := clock.Wait(t.Context(), clock.Now().Add(c.late)); err != nil {
				t.Fatal(err)
			}
			w.confirm(t.Context(), act(), c.want)
			w.confirm(t.Context(), act(), c.want) // and stays none
			w.shifting(nil)
			w.deploy(t.Context(), back(), "")
			w.wantImage("shop:v1")
			w.wantHooks()
		})
	}
}

// TestECSShiftEnds: how a deployment may end on its way, and what is said of it.
func TestECSShiftEnds(t *testing.T) {
	for name, c := range map[string]struct {
		starts func(d *awstest.Shift)
		want   string
		status string
	}{
		"goes back": {func(d *awstest.Shift) { d.Fails = "tasks failed to start" },
			"deployment 3 of main/use1-a to shop:2 ended with ROLLBACK_SUCCESSFUL: tasks failed to start; it runs shop:1", "ROLLBACK_SUCCESSFUL"},
		"stops": {func(d *awstest.Shift) { d.Fails, d.Stops = "tasks failed to start", true },
			"ended with STOPPED: tasks failed to start; ECS does not say that it has gone back: look at what the service runs", "STOPPED"},
		"cannot go back": {func(d *awstest.Shift) { d.Fails, d.StaysBad = "tasks failed to start", true },
			"ended with ROLLBACK_FAILED: tasks failed to start; ECS could NOT go back", "ROLLBACK_FAILED"},
		"alarm": {func(d *awstest.Shift) { d.Alarm = "errors" },
			"the alarm errors was triggered; it runs shop:1", "ROLLBACK_SUCCESSFUL"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", 0)
			w.shifting(c.starts)
			w.deploy(t.Context(), act(), c.want)
			w.wantShifted(c.status, 1)
			w.shifting(nil)
			w.deploy(t.Context(), back(), "") // whether or not ECS has put it back already
			w.wantImage("shop:v1")
			w.wantHooks()
			w.deploy(t.Context(), again(act()), "")
			w.wantImage("shop:v2")
		})
	}
}

// TestECSShiftAgain: the next attempt begins a deployment of the same task definition, whatever the service calls its own.
func TestECSShiftAgain(t *testing.T) {
	c := newShifted(t, "BLUE_GREEN", 0)
	c.service(func(_ *awstest.State, service *awstest.Service) { service.Keeps = true })
	c.shifting(func(d *awstest.Shift) { d.Fails = "tasks failed to start" })
	c.deploy(t.Context(), act(), "tasks failed to start; it runs shop:1")
	c.shifting(nil)
	c.deploy(t.Context(), again(act()), "")
	if c.wantShifted("SUCCESSFUL", 2); c.count("RegisterTaskDefinition") != 1 {
		t.Errorf("%q", c.actions())
	}
}

// TestECSShiftRollbackFails: a way back that fails is never taken for one that has worked, whoever had begun it.
func TestECSShiftRollbackFails(t *testing.T) {
	c := newShifted(t, "BLUE_GREEN", 12*time.Hour)
	c.shifting(func(d *awstest.Shift) { d.StaysBad = true })
	c.deploy(t.Context(), act(), "")
	c.deploy(t.Context(), back(), "ended with ROLLBACK_FAILED: a user rolled it back at a lifecycle hook; ECS could NOT go back")
	c.shifting(func(d *awstest.Shift) { d.Fails = "no capacity" })
	c.deploy(t.Context(), again(back()), "deployment 5 of main/use1-a to shop:1 ended with ROLLBACK_SUCCESSFUL: no capacity")
	c.shifting(nil)
	c.deploy(t.Context(), again(back()), "")
	c.wantImage("shop:v1")
	c.wantHooks()
}

// TestECSOtherHooks: a pause of somebody else is waited for, and never answered; at our stage too, if the plan has no pause.
func TestECSOtherHooks(t *testing.T) {
	for name, c := range map[string]struct {
		stage string
		pause time.Duration
	}{
		"before": {"PRE_SCALE_UP", 12 * time.Hour}, "at ours, without a pause": {"POST_PRODUCTION_TRAFFIC_SHIFT", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", c.pause)
			theirs := map[string]any{"targetType": "PAUSE", "lifecycleStages": []any{c.stage}}
			w.service(func(_ *awstest.State, service *awstest.Service) {
				service.Config["lifecycleHooks"] = []any{lambdaHook, theirs}
			})
			waited := 0
			w.clock.(*ticking).waits = func(time.Time) {
				w.shifted(func(d *awstest.Shift) {
					if d.Waits() && d.Stage == c.stage {
						if waited++; waited == 5 {
							d.Answer("CONTINUE") // they do
						}
					}
				})
			}
			w.deploy(t.Context(), act(), "")
			if waited != 5 || w.count("ContinueServiceDeployment") != 0 {
				t.Errorf("it waited for %d looks: %q", waited, w.actions())
			}
			if c.pause > 0 {
				w.confirm(t.Context(), act(), "")
			}
			w.wantShifted("SUCCESSFUL", 1)
			w.service(func(_ *awstest.State, service *awstest.Service) {
				if hooks := service.Config["lifecycleHooks"].([]any); len(hooks) != 2 || !deepEqual(hooks[1], theirs) {
					t.Errorf("the hooks are %v", hooks)
				}
			})
		})
	}
}

// TestECSOtherHooksCutOff: what waits at somebody else's hook is stopped, and the hook is not answered.
func TestECSOtherHooksCutOff(t *testing.T) {
	w := newShifted(t, "BLUE_GREEN", 0)
	w.service(func(_ *awstest.State, service *awstest.Service) {
		service.Config["lifecycleHooks"] = []any{map[string]any{"targetType": "PAUSE", "lifecycleStages": []any{"POST_PRODUCTION_TRAFFIC_SHIFT"}}}
	})
	ctx, cancel := context.WithCancel(t.Context())
	w.clock.(*ticking).waits = func(time.Time) {
		w.shifted(func(d *awstest.Shift) {
			if d.Waits() {
				cancel()
			}
		})
	}
	w.deploy(ctx, act(), "stopped: context canceled; main/use1-a runs shop:1 again")
	if w.count("ContinueServiceDeployment") != 0 || w.count("StopServiceDeployment") != 1 {
		t.Errorf("%q", w.actions())
	}
}

// TestECSShiftForeign: what somebody else does to the service is waited for, or said.
func TestECSShiftForeign(t *testing.T) {
	foreign := func(c *cloud, change func(d *awstest.Shift)) {
		c.service(func(s *awstest.State, service *awstest.Service) {
			change(s.Shift("main/use1-a", s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:x"}}}, nil)))
		})
	}
	c := newShifted(t, "BLUE_GREEN", 12*time.Hour)
	foreign(c, func(d *awstest.Shift) {})
	if output := c.deploy(t.Context(), act(), ""); !strings.Contains(output, "waiting for deployment 3 of main/use1-a, to shop:2, which is IN_PROGRESS") {
		t.Errorf("%q", output)
	}
	c.confirm(t.Context(), act(), "")
	c.wantImage("shop:v2")
	c.deploy(t.Context(), back(), "")
	c.wantImage("shop:x")

	c = newShifted(t, "BLUE_GREEN", 12*time.Hour)
	foreign(c, func(d *awstest.Shift) { d.Hangs = true })
	ctx, cancel := context.WithCancel(t.Context())
	c.clock.(*ticking).waits = func(time.Time) { cancel() }
	c.deploy(ctx, act(), "stopped: context canceled, and nothing was started: deployment 3 of main/use1-a to shop:2 goes on")
	if c.count("UpdateService") != 0 || c.count("StopServiceDeployment") != 0 {
		t.Errorf("%q", c.actions())
	}

	c = newShifted(t, "BLUE_GREEN", 12*time.Hour) // in the middle of our bake: ours went back, and theirs is out
	c.deploy(t.Context(), act(), "")
	c.shifted(func(d *awstest.Shift) { d.Status = "ROLLBACK_SUCCESSFUL" })
	foreign(c, func(d *awstest.Shift) { d.Status = "SUCCESSFUL" })
	c.confirm(t.Context(), act(), "somebody else has deployed to main/use1-a since: deployment")
	if c.count("ContinueServiceDeployment") != 0 {
		t.Errorf("%q", c.actions())
	}
	if output := c.deploy(t.Context(), back(), ""); !strings.Contains(output, "main/use1-a runs shop:3, which this rollout has not put there") {
		t.Errorf("%q", output)
	}
	c.wantImage("shop:x")
}

// TestECSShiftAdopts: what an attempt that died has left going on is waited for, also if it does not show yet, or goes back.
func TestECSShiftAdopts(t *testing.T) {
	for name, c := range map[string]struct {
		now    core.Act
		image  string
		shifts int
		status string
	}{"the same goes on": {again(act()), "shop:v2", 1, "IN_PROGRESS"}, "now back": {back(), "shop:v1", 1, "ROLLBACK_SUCCESSFUL"}} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
			w.service(func(_ *awstest.State, service *awstest.Service) { service.Late = 3 })
			w.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				out, fault := serve()
				if action == "ecs:UpdateService" { // the process dies
					w.Meddle(denies("ecs:ListServiceDeployments"))
				}
				return out, fault
			})
			w.deploy(t.Context(), act(), "AWS refuses ecs:ListServiceDeployments")
			w.service(func(_ *awstest.State, service *awstest.Service) { service.Late = 0 })
			w.Meddle(nil)
			w.deploy(t.Context(), c.now, "")
			w.wantShifted(c.status, c.shifts)
			w.service(func(s *awstest.State, service *awstest.Service) {
				if got := s.Image(service.Definition); got != c.image {
					t.Errorf("it goes to %s", got)
				}
			})
		})
	}
	for name, now := range map[string]core.Act{"it goes back already, and now forwards": again(act()), "it goes back already": back()} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
			w.deploy(t.Context(), act(), "")
			w.shifted(func(d *awstest.Shift) { d.Answer("ROLLBACK") })
			if output := w.deploy(t.Context(), now, ""); !strings.Contains(output, "waiting for deployment 3 of main/use1-a, to shop:2, which is ROLLBACK_IN_PROGRESS") {
				t.Errorf("%q", output)
			}
			if w.count("StopServiceDeployment")+w.count("ContinueServiceDeployment") != 0 {
				t.Errorf("%q", w.actions())
			}
		})
	}
	t.Run("a way back", func(t *testing.T) { // that nobody has followed to its end
		w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
		w.deploy(t.Context(), act(), "")
		w.confirm(t.Context(), act(), "")
		ctx, cancel := context.WithCancel(t.Context())
		w.clock.(*ticking).waits = func(time.Time) { cancel() }
		w.deploy(ctx, back(), "stopped: context canceled; main/use1-a goes on to go back to shop:1: see that it gets there")
		w.clock.(*ticking).waits = nil
		w.deploy(t.Context(), again(back()), "")
		w.wantShifted("SUCCESSFUL", 2)
		w.wantImage("shop:v1")
	})
	t.Run("another rollout of the line", func(t *testing.T) { // gave way while it waited
		w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
		w.deploy(t.Context(), act(), "")
		next := act()
		next.Rollout, next.Version = next.Rollout[:strings.LastIndexByte(next.Rollout, '-')]+"-9", "v3"
		w.deploy(t.Context(), next, "")
		w.wantShifted("IN_PROGRESS", 2)
		w.service(func(_ *awstest.State, service *awstest.Service) {
			if got := service.Shifts[1].Status; got != "ROLLBACK_SUCCESSFUL" {
				t.Errorf("the one before is %s", got)
			}
		})
		next.Rollback, next.Version = true, "v1"
		w.deploy(t.Context(), next, "")
		w.wantImage("shop:v1")
	})
}

// TestECSShiftCutOff: forwards, a service is told to go back, unless it has got there; a way back goes on.
func TestECSShiftCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		starts func(d *awstest.Shift)
		want   string
		status string
	}{
		"on the way": {func(d *awstest.Shift) { d.Hangs = true }, "stopped: context canceled; main/use1-a runs shop:1 again", "ROLLBACK_SUCCESSFUL"},
		"not back":   {func(d *awstest.Shift) { d.Hangs, d.StaysBad = true, true }, "ended with ROLLBACK_FAILED", "ROLLBACK_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
			w.shifting(c.starts)
			ctx, cancel := context.WithCancel(t.Context())
			looks := 0
			w.clock.(*ticking).waits = func(time.Time) {
				if looks++; looks == 6 {
					cancel()
				}
			}
			w.deploy(ctx, act(), c.want)
			w.wantShifted(c.status, 1)
		})
	}
	for name, c := range map[string]struct {
		denied string
		want   string
	}{
		"cannot be told": {"ecs:StopServiceDeployment", "stopped: context canceled; main/use1-a goes on to shop:2, and could not be told to go back: see to that before anything else is put on use1-a: AWS refuses ecs:StopServiceDeployment"},
		"unknown":        {"ecs:ListServiceDeployments", "stopped: context canceled; nobody knows whether main/use1-a goes on to shop:2: see to that before anything else is put on use1-a: AWS refuses ecs:ListServiceDeployments"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, "BLUE_GREEN", 0)
			w.shifting(func(d *awstest.Shift) { d.Hangs = true })
			ctx, cancel := context.WithCancel(t.Context())
			w.clock.(*ticking).waits = func(time.Time) {
				w.Meddle(denies(c.denied))
				cancel()
			}
			w.deploy(ctx, act(), c.want)
		})
	}
	t.Run("there already", func(t *testing.T) { // it was faster than what cut it off
		w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		w.clock.(*ticking).waits = func(time.Time) {
			w.shifted(func(d *awstest.Shift) {
				if d.Stage == "POST_PRODUCTION_TRAFFIC_SHIFT" { // the next look finds it waiting
					cancel()
				}
			})
		}
		w.deploy(ctx, act(), "")
		if w.wantShifted("IN_PROGRESS", 1); ctx.Err() == nil {
			t.Error("nothing cut it off")
		}
	})
	t.Run("confirm", func(t *testing.T) { // goes on: the next one sees how it ends
		w := newShifted(t, "BLUE_GREEN", 12*time.Hour)
		w.deploy(t.Context(), act(), "")
		ctx, cancel := context.WithCancel(t.Context())
		w.clock.(*ticking).waits = func(time.Time) { cancel() }
		w.confirm(ctx, act(), "stopped: context canceled, while deployment 3 of main/use1-a was IN_PROGRESS: run this again to see how it ends")
		w.clock.(*ticking).waits = nil
		w.confirm(t.Context(), act(), "")
		if w.wantShifted("SUCCESSFUL", 1); w.count("ContinueServiceDeployment") != 1 {
			t.Errorf("%q", w.actions())
		}
	})
}

// TestECSShiftTroubles: what AWS throttles or loses. No deployment is begun twice.
func TestECSShiftTroubles(t *testing.T) {
	for name, meddle := range map[string]awstest.Meddler{
		"throttled": throttles("ecs:UpdateService", 3), "throttled list": throttles("ecs:ListServiceDeployments", 3),
		"throttled answer": throttles("ecs:ContinueServiceDeployment", 3),
		"lost":             losesAnswers("ecs:UpdateService", 1), "lost answer": losesAnswers("ecs:ContinueServiceDeployment", 1),
		"lost look": losesAnswers("ecs:DescribeServiceDeployments", 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := newShifted(t, "BLUE_GREEN", 12*time.Hour)
			c.Meddle(meddle)
			c.deploy(t.Context(), act(), "")
			c.confirm(t.Context(), act(), "")
			c.wantShifted("SUCCESSFUL", 1)
			c.deploy(t.Context(), back(), "")
			c.wantShifted("SUCCESSFUL", 2)
			c.wantImage("shop:v1")
		})
	}
	t.Run("never carried out", func(t *testing.T) {
		c := newShifted(t, "BLUE_GREEN", 0)
		c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == "ecs:UpdateService" {
				return nil, &awstest.Fault{Lost: true}
			}
			return serve()
		})
		c.deploy(t.Context(), act(), "ECS shows no deployment of main/use1-a to shop:2 that has begun, and as the newest one since: none; look at the service before you run this again")
		if c.count("UpdateService") != 1 {
			t.Errorf("%q", c.actions())
		}
	})
}

// TestECSShiftRefuses: services that could not do what the plan says.
func TestECSShiftRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		strategy string
		pause    time.Duration
		change   func(service *awstest.Service)
		want     string
	}{
		"rolling with a pause": {"ROLLING", time.Hour, func(service *awstest.Service) {
			service.Deployments = []*awstest.TaskRollout{{ID: "1", Definition: service.Definition, State: "COMPLETED"}}
		},
			"main/use1-a is deployed as ROLLING, which waits for nobody: leave pause out, or give the service the strategy BLUE_GREEN, LINEAR or CANARY"},
		"a long canary": {"CANARY", time.Hour, func(service *awstest.Service) {
			service.Config["canaryConfiguration"] = map[string]any{"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 60.0}
		}, "ECS shifts and bakes main/use1-a by itself for 1h, and the timeout is 1h: raise the timeout, or shorten that in the configuration of the service"},
		"long steps": {"LINEAR", 0, func(service *awstest.Service) {
			service.Config["linearConfiguration"] = map[string]any{"stepPercent": 10.0, "stepBakeTimeInMinutes": 10.0}
		}, "by itself for 1h30m"},
		"a long bake": {"BLUE_GREEN", time.Hour, func(service *awstest.Service) { service.Config["bakeTimeInMinutes"] = 120.0 }, "by itself for 2h"},
		"a hook that does more": {"BLUE_GREEN", time.Hour, func(service *awstest.Service) {
			service.Config["lifecycleHooks"] = []any{map[string]any{"targetType": "PAUSE", "lifecycleStages": []any{"POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT"}}}
		}, "main/use1-a has a hook of type PAUSE at POST_PRODUCTION_TRAFFIC_SHIFT and at other stages"},
		"CodeDeploy's": {"BLUE_GREEN", 0, func(service *awstest.Service) { service.Controller = "CODE_DEPLOY" }, "is deployed by CODE_DEPLOY"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newShifted(t, c.strategy, c.pause)
			w.service(func(_ *awstest.State, service *awstest.Service) { c.change(service) })
			w.deploy(t.Context(), act(), c.want)
			if w.count("UpdateService") != 0 {
				t.Errorf("%q", w.actions())
			}
		})
	}
}
