package deploy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
)

// newGroup has the group shop/use1-a, with v1 from S3 on it, and a first deployment that put that there.
func newGroup(t *testing.T, o core.CodeDeploy) *cloud {
	o.Application, o.Group = "shop", "{{target}}"
	if o.S3 == nil && o.GitHub == nil && o.ECS == nil && o.Lambda == nil {
		o.S3 = &core.CodeDeployS3{Bucket: "code", Key: "{{version}}.zip"}
	}
	c := newCloud(t, "aws-codedeploy", &o)
	c.timeout = time.Hour
	c.Look(home, func(s *awstest.State) {
		s.Groups["shop/use1-a"] = &awstest.Group{Platform: "Server"}
		first := s.Deploy(awstest.Deployment{Application: "shop", Group: "use1-a", Revision: archive("v1"), Description: "by hand"})
		first.Status = "Succeeded"
		s.Groups["shop/use1-a"].Runs = first.Revision
	})
	return c
}

func archive(version string) map[string]any {
	return map[string]any{"revisionType": "S3", "s3Location": map[string]any{"bucket": "code", "key": version + ".zip", "bundleType": "zip"}}
}

// starts says what becomes of new deployments of the group.
func (c *cloud) starts(what func(d *awstest.Deployment)) {
	c.Look(home, func(s *awstest.State) { s.Groups["shop/use1-a"].Starts = what })
}

// deployments are those of the group, as ID STATUS KEY.
func (c *cloud) deployments() (all []string) {
	c.Look(home, func(s *awstest.State) {
		for _, d := range s.Deployments {
			all = append(all, fmt.Sprintf("%s %s", d.Status, put(d.Revision)))
		}
	})
	return all
}

// put is what a revision puts out.
func put(revision map[string]any) string {
	if s3, ok := revision["s3Location"].(map[string]any); ok {
		return strings.TrimSuffix(fmt.Sprint(s3["key"]), ".zip")
	}
	if spec, ok := revision["appSpecContent"].(map[string]any); ok {
		return fmt.Sprint(spec["content"])
	}
	return fmt.Sprint(revision)
}

func (c *cloud) wantDeployments(want ...string) {
	c.t.Helper()
	if got := c.deployments(); strings.Join(got, ", ") != strings.Join(want, ", ") {
		c.t.Errorf("the deployments are %q; want %q", got, want)
	}
}

// someone starts a deployment of the group that is not ours.
func (c *cloud) someone(d awstest.Deployment) (is *awstest.Deployment) {
	c.Look(home, func(s *awstest.State) {
		d.Application, d.Group, d.Revision = "shop", "use1-a", archive("x")
		is = s.Deploy(d)
	})
	return is
}

func TestCodeDeploy(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		c := newGroup(t, core.CodeDeploy{})
		c.timeout = timeout
		behave := func(b deploytest.Behavior) {
			c.Look(home, func(s *awstest.State) {
				for _, d := range s.Deployments {
					d.Looks = 2
				}
			})
			c.starts(func(d *awstest.Deployment) {
				switch b {
				case deploytest.Fails:
					d.Ends, d.ErrorCode, d.Error = "Failed", "HEALTH_CONSTRAINTS", "too many instances failed"
					d.Targets = []awstest.Target{{ID: "i-1", Status: "Failed", Event: "AfterInstall", Script: "install.sh", Message: deploytest.Complaint + " " + deploytest.Secret}}
				case deploytest.Hangs:
					d.Looks = -1
				case deploytest.Lies:
					d.Revision = archive("v1")
				}
			})
		}
		w := c.world(b, behave,
			func(s *awstest.State, target string) string {
				if g := s.Groups["shop/"+target]; g != nil {
					return put(g.Runs)
				}
				return ""
			},
			func(s *awstest.State) bool { return slices.ContainsFunc(s.Deployments, (*awstest.Deployment).Active) }, "CreateDeployment")
		w.Foreign = func(string) func() bool {
			theirs := c.someone(awstest.Deployment{Looks: 3})
			return func() bool { return theirs.Status == "Succeeded" }
		}
		return w
	})
}

// TestCodeDeployRounds: forwards, once more without a second deployment, and back to the revision that was there.
func TestCodeDeployRounds(t *testing.T) {
	c := newGroup(t, core.CodeDeploy{FileExists: "OVERWRITE", Config: "CodeDeployDefault.OneAtATime"})
	c.starts(func(d *awstest.Deployment) { d.Looks = 3 })
	driver := c.open()
	for _, a := range []core.Act{act(), again(act()), back(), again(back())} {
		if output, err := driver.Deploy(t.Context(), a); err != nil {
			t.Errorf("%v\n%s", err, output)
		}
	}
	c.wantDeployments("Succeeded v1", "Succeeded v2", "Succeeded v1")
	if n := driver.(core.Counted).Requests(); n != len(c.Asked()) {
		t.Errorf("%d requests are counted of %d", n, len(c.Asked()))
	}
}

// TestCodeDeployCaptures: a rollback puts back what was there, whatever the plan says of the previous version.
func TestCodeDeployCaptures(t *testing.T) {
	c := newGroup(t, core.CodeDeploy{})
	c.someone(awstest.Deployment{Status: "Created"})
	c.deploy(t.Context(), act(), "") // the other one ends meanwhile
	c.deploy(t.Context(), back(), "")
	c.wantDeployments("Succeeded v1", "Succeeded x", "Succeeded v2", "Succeeded x")
	second := again(act()) // a rehearsal goes forwards again, and back once more
	c.deploy(t.Context(), second, "")
	c.deploy(t.Context(), again(back()), "")
	c.wantDeployments("Succeeded v1", "Succeeded x", "Succeeded v2", "Succeeded x", "Succeeded v2", "Succeeded x")
}

// TestCodeDeployEnds: how a deployment may end, and what is said of it.
func TestCodeDeployEnds(t *testing.T) {
	bad := func(d *awstest.Deployment) {
		d.Ends, d.ErrorCode, d.Error = "Failed", "HEALTH_CONSTRAINTS", "too many individual instances failed"
		d.Targets = []awstest.Target{{ID: "i-1", Status: "Succeeded", Event: "ApplicationStart"},
			{ID: "i-2", Status: "Failed", Event: "ApplicationStart", Script: "start.sh", Message: "port 80 is taken"}}
	}
	for name, c := range map[string]struct {
		starts func(d *awstest.Deployment)
		want   string
	}{
		"fails": {bad, "ended with Failed: HEALTH_CONSTRAINTS: too many individual instances failed; i-2: ApplicationStart: ScriptFailed start.sh: port 80 is taken; nothing shows that CodeDeploy puts back"},
		"fails, and goes back": {func(d *awstest.Deployment) {
			bad(d)
			d.Undoes, d.LateUndo = "Succeeded", 2
		}, "port 80 is taken; CodeDeploy has put back what was there, by d-000000003"},
		"fails, and cannot go back": {func(d *awstest.Deployment) {
			bad(d)
			d.Undoes = "Failed"
		}, "CodeDeploy could not put back what was there: d-000000003 ended with Failed"},
		"an alarm": {func(d *awstest.Deployment) {
			d.Ends, d.ErrorCode, d.Error, d.Undoes = "Stopped", "ALARM_ACTIVE", "One or more alarms have been activated", "Succeeded"
		}, "ended with Stopped: ALARM_ACTIVE: One or more alarms"},
		"somebody stops it": {func(d *awstest.Deployment) { d.Ends, d.ErrorCode, d.Error = "Stopped", "MANUAL_STOP", "stopped by ann" }, "MANUAL_STOP: stopped by ann"},
		"in part": {func(d *awstest.Deployment) {
			bad(d)
			d.Ends = ""
		}, "has succeeded, and 1 of 2 of its targets have not got it; i-2: ApplicationStart"},
		"something else": {func(d *awstest.Deployment) { d.Revision = archive("v7") }, "has succeeded, and does not say that it has put out what was asked for"},
		"waits":          {func(d *awstest.Deployment) { d.Waits, d.Looks = true, 2 }, ""},
		"shows late":     {func(d *awstest.Deployment) { d.Unseen = 3 }, ""},
		"never shows":    {func(d *awstest.Deployment) { d.Unseen = 99 }, "codedeploy:GetDeployment: The deployment d-000000002 could not be found"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGroup(t, core.CodeDeploy{})
			w.starts(c.starts)
			output := w.deploy(t.Context(), act(), c.want)
			if name == "waits" && !strings.Contains(output, "was ready, and goes on") {
				t.Errorf("%q", output)
			}
		})
	}
}

// TestCodeDeployForeign: what somebody else does on the group is waited for, and never stopped.
func TestCodeDeployForeign(t *testing.T) {
	c := newGroup(t, core.CodeDeploy{})
	c.someone(awstest.Deployment{Looks: 5, Description: "a hotfix"})
	output := c.deploy(t.Context(), act(), "")
	if !strings.Contains(output, "waiting for deployment d-000000002 of shop/use1-a, by user a hotfix") {
		t.Errorf("%q", output)
	}
	c.wantDeployments("Succeeded v1", "Succeeded x", "Succeeded v2")

	c = newGroup(t, core.CodeDeploy{})
	c.someone(awstest.Deployment{Looks: -1})
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	c.clock.(*ticking).waits = func(time.Time) {
		if looks++; looks == 9 {
			cancel()
		}
	}
	c.deploy(ctx, act(), "stopped: context canceled, and nothing was started: deployment d-000000002 by user is InProgress on shop/use1-a: wait until it is over, or end it")
	if c.count("StopDeployment")+c.count("CreateDeployment") != 0 {
		t.Errorf("%q", c.actions())
	}
}

// TestCodeDeployRaced: where somebody is faster between a look and a start, theirs is waited for.
func TestCodeDeployRaced(t *testing.T) {
	c := newGroup(t, core.CodeDeploy{})
	once := true
	c.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if action == "codedeploy:CreateDeployment" && once {
			once = false
			c.someone(awstest.Deployment{Looks: 2, Unseen: 1})
		}
		return serve()
	})
	c.deploy(t.Context(), act(), "")
	c.wantDeployments("Succeeded v1", "Succeeded x", "Succeeded v2")
}

// TestCodeDeployTroubles: what AWS throttles or loses never makes a second deployment.
func TestCodeDeployTroubles(t *testing.T) {
	lost := func(string, map[string]any, func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		return nil, &awstest.Fault{Lost: true}
	}
	for name, c := range map[string]struct {
		meddle awstest.Meddler
		made   int
		want   string
	}{
		"throttled start": {throttles("codedeploy:CreateDeployment", 3), 2, ""},
		"throttled look":  {throttles("codedeploy:GetDeployment", 3), 2, ""},
		"lost answer":     {losesAnswers("codedeploy:CreateDeployment", 1), 2, ""},
		"lost request": {func(action string, in map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == "codedeploy:CreateDeployment" {
				return lost(action, in, serve)
			}
			return serve()
		}, 1, "CodeDeploy did not answer whether it has made a deployment of shop/use1-a, and shows none that has shop-production-7/use1-a/1/"},
		"denied": {denies("codedeploy:CreateDeployment"), 1, "AWS refuses codedeploy:CreateDeployment"},
		"blind":  {denies("codedeploy:GetDeployment"), 2, "AWS refuses codedeploy:GetDeployment: User: ci is not authorized to perform: codedeploy:GetDeployment; the job's role needs that action, see docs/drivers.md, while deployment d-000000002 was not looked at yet; before anything else is put on use1-a: nobody knows that deployment d-000000002 has stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGroup(t, core.CodeDeploy{})
			w.starts(func(d *awstest.Deployment) { d.Looks, d.Unseen = 1, 1 })
			w.Meddle(c.meddle)
			w.deploy(t.Context(), act(), c.want)
			if got := w.deployments(); len(got) != c.made {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestCodeDeployAdopts: what an attempt that died has left is waited for if it does the same, and stopped if not.
func TestCodeDeployAdopts(t *testing.T) {
	for name, c := range map[string]struct {
		left core.Act
		how  func(d *awstest.Deployment) // it goes on
		now  core.Act
		want []string
		err  string
	}{
		"the same goes on":            {act(), func(d *awstest.Deployment) { d.Looks = 3 }, again(act()), []string{"Succeeded v1", "Succeeded v2"}, ""},
		"a deploy, now back":          {act(), func(d *awstest.Deployment) { d.Looks = -1 }, back(), []string{"Succeeded v1", "Stopped v2", "Succeeded v1"}, ""},
		"it stops slowly":             {act(), func(d *awstest.Deployment) { d.Looks, d.SlowStop = -1, 3 }, back(), []string{"Succeeded v1", "Stopped v2", "Succeeded v1"}, ""},
		"it does not stop":            {act(), func(d *awstest.Deployment) { d.Looks, d.SlowStop = -1, 99 }, back(), []string{"Succeeded v1", "InProgress v2"}, "an earlier deployment is still at work on use1-a: nobody knows that deployment d-000000002 has stopped"},
		"the same has failed":         {act(), func(d *awstest.Deployment) { d.Ends = "Failed" }, again(act()), []string{"Succeeded v1", "Failed v2", "Succeeded v2"}, ""},
		"meanwhile it goes back":      {act(), func(d *awstest.Deployment) { d.Ends, d.Undoes = "Failed", "Succeeded" }, back(), []string{"Succeeded v1", "Failed v2", "Succeeded v1"}, ""},
		"meanwhile it cannot go back": {act(), func(d *awstest.Deployment) { d.Ends, d.Undoes = "Failed", "Failed" }, back(), []string{"Succeeded v1", "Failed v2", "Failed v1", "Succeeded v1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGroup(t, core.CodeDeploy{})
			first := true
			w.starts(func(d *awstest.Deployment) {
				if first {
					first = false
					c.how(d)
				}
			})
			ctx, kill := context.WithCancel(t.Context())
			w.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if ctx.Err() != nil {
					return nil, &awstest.Fault{Lost: true} // the process is dead
				}
				out, fault := serve()
				if action == "codedeploy:CreateDeployment" {
					kill()
				}
				return out, fault
			})
			if output, err := w.open().Deploy(ctx, c.left); err == nil {
				t.Errorf("it was taken for done: %s", output)
			}
			w.Meddle(nil)
			if strings.HasPrefix(name, "meanwhile") {
				w.Look(home, (*awstest.State).Rest)
			}
			w.deploy(t.Context(), c.now, c.err)
			w.wantDeployments(c.want...)
		})
	}
}

// TestCodeDeployCutOff: a deployment whose act was cut off is stopped, and what CodeDeploy then puts back is followed.
func TestCodeDeployCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		act  core.Act
		how  func(d *awstest.Deployment)
		want string
		all  []string
	}{
		"forwards": {act(), func(d *awstest.Deployment) { d.Looks = -1 }, "stopped: context canceled, while deployment d-000000002 was InProgress; it ended with Stopped; CodeDeploy has put back what was there, by d-000000003",
			[]string{"Succeeded v1", "Stopped v2", "Succeeded v1"}},
		"back": {back(), func(d *awstest.Deployment) { d.Looks = -1 }, "it ended with Stopped; nothing shows that CodeDeploy puts back", []string{"Succeeded v1", "Stopped v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGroup(t, core.CodeDeploy{})
			w.starts(c.how)
			ctx, cancel := context.WithCancel(t.Context())
			w.clock.(*ticking).waits = func(time.Time) {
				if w.count("GetDeployment") > 0 {
					cancel()
				}
			}
			w.deploy(ctx, c.act, c.want)
			w.wantDeployments(c.all...)
		})
	}
}

// TestCodeDeployRevisions: what the plan says reaches CodeDeploy as it is meant.
func TestCodeDeployRevisions(t *testing.T) {
	hostile := act()
	hostile.Version = `7","TaskDefinition":"evil`
	for name, c := range map[string]struct {
		o    core.CodeDeploy
		act  core.Act
		want string
	}{
		"github": {core.CodeDeploy{GitHub: &core.CodeDeployGitHub{Repository: "octo/shop"}}, act(), "map[gitHubLocation:map[commitId:v2 repository:octo/shop] revisionType:GitHub]"},
		"ecs": {core.CodeDeploy{ECS: &core.CodeDeployECS{TaskDefinition: "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:{{version}}", Container: "web", Port: 80}}, act(),
			`{"Resources":[{"TargetService":{"Properties":{"LoadBalancerInfo":{"ContainerName":"web","ContainerPort":80},"TaskDefinition":"arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:v2"},"Type":"AWS::ECS::Service"}}],"version":0}`},
		"data": {core.CodeDeploy{ECS: &core.CodeDeployECS{TaskDefinition: "shop:{{version}}", Container: "web", Port: 80}}, hostile, `"TaskDefinition":"shop:7\",\"TaskDefinition\":\"evil"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGroup(t, c.o)
			w.deploy(t.Context(), c.act, "")
			if got := w.deployments(); !strings.Contains(got[1], c.want) {
				t.Errorf("%s", got[1])
			}
		})
	}
}

// TestCodeDeployLambda: an alias is moved by CodeDeploy, proven by itself, and given back what it had.
func TestCodeDeployLambda(t *testing.T) {
	c := newGroup(t, core.CodeDeploy{Lambda: &core.CodeDeployLambda{Function: "shop", Alias: "live"}})
	c.Look(home, func(s *awstest.State) {
		s.Functions["shop"], s.Groups["shop/use1-a"].Platform = newFunction(), "Lambda"
	})
	forth := act()
	forth.Version = "2"
	c.starts(func(d *awstest.Deployment) { d.Waits = true })
	c.deploy(t.Context(), forth, "")
	c.wantLive("2")
	c.deploy(t.Context(), again(forth), "")
	if c.count("CreateDeployment") != 1 {
		t.Errorf("%q", c.actions())
	}
	c.deploy(t.Context(), back(), "")
	c.wantLive("1")
	c.starts(func(d *awstest.Deployment) {
		d.Revision = map[string]any{"revisionType": "AppSpecContent", "appSpecContent": d.Revision["appSpecContent"]}
	})
	c.function(func(f *awstest.Function) { f.Aliases["live"].Late = 99 })
	third := again(forth)
	third.Attempt = 3
	c.deploy(t.Context(), third, "shop:live has 1, although it was given 2")
}

// TestCodeDeployPolicy: the policy in docs/drivers.md is what all the ways of a deployment ask for, and nothing else.
func TestCodeDeployPolicy(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		c := newGroup(t, core.CodeDeploy{})
		c.starts(func(d *awstest.Deployment) {
			d.Waits, d.Ends, d.Targets = true, "Failed", []awstest.Target{{ID: "i-1", Status: "Failed", Event: "Install"}}
		})
		c.deploy(t.Context(), act(), "Failed")
		c.starts(func(d *awstest.Deployment) { d.Looks = -1 })
		ctx, cancel := context.WithCancel(t.Context())
		c.clock.(*ticking).waits = func(time.Time) { cancel() }
		c.deploy(ctx, again(act()), "stopped")
		c = newGroup(t, core.CodeDeploy{Lambda: &core.CodeDeployLambda{Function: "shop", Alias: "live", Version: "2"}})
		c.Look(home, func(s *awstest.State) {
			s.Functions["shop"], s.Groups["shop/use1-a"].Platform = newFunction(), "Lambda"
		})
		c.deploy(t.Context(), act(), "")
	})
	leastPrivilege(t, "aws-codedeploy")
}
