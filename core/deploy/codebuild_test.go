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

// newProject has the project shop-deploy, whose builds put BREAKWATER_VERSION on BREAKWATER_TARGET.
func newProject(t *testing.T, o core.CodeBuild) *cloud {
	o.Project = "shop-deploy"
	c := newCloud(t, "aws-codebuild", &o)
	c.timeout = time.Hour
	c.Look(home, func(s *awstest.State) { s.Projects["shop-deploy"] = new(awstest.Project) })
	return c
}

// builds says what becomes of new builds of the project.
func (c *cloud) builds(what func(b *awstest.Build)) {
	c.Look(home, func(s *awstest.State) { s.Projects["shop-deploy"].Starts = what })
}

// wantBuilds compares the builds of the project, as STATUS VERSION, oldest first.
func (c *cloud) wantBuilds(want ...string) {
	c.t.Helper()
	var got []string
	c.Look(home, func(s *awstest.State) {
		for _, b := range s.Builds {
			got = append(got, fmt.Sprintf("%s %s", b.Status, b.Env["BREAKWATER_VERSION"]))
		}
	})
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		c.t.Errorf("the builds are %q; want %q", got, want)
	}
}

func TestCodeBuild(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		c := newProject(t, core.CodeBuild{SourceVersion: "{{version}}"})
		c.timeout = timeout
		behave := func(b deploytest.Behavior) {
			c.Look(home, func(s *awstest.State) {
				for _, is := range s.Builds {
					is.Looks = 2
				}
			})
			c.builds(func(is *awstest.Build) {
				switch b {
				case deploytest.Fails:
					is.Ends, is.Code, is.Error = "FAILED", "COMMAND_EXECUTION_ERROR", deploytest.Complaint+" "+deploytest.Secret
				case deploytest.Hangs:
					is.Looks = -1
				case deploytest.Lies:
					is.Source = "v0"
				}
			})
		}
		w := c.world(b, behave,
			func(s *awstest.State, target string) string { return s.Projects["shop-deploy"].Runs[target] },
			func(s *awstest.State) bool { return slices.ContainsFunc(s.Builds, (*awstest.Build).Active) }, "StartBuild")
		w.Foreign = func(string) func() bool {
			var theirs *awstest.Build
			c.Look(home, func(s *awstest.State) { theirs = s.Build(awstest.Build{Project: "shop-deploy", Looks: 3}) })
			return func() bool { return theirs.Status != "STOPPED" }
		}
		return w
	})
}

// TestCodeBuildTells: what a build is told. A target or a version is data, whatever it holds.
func TestCodeBuildTells(t *testing.T) {
	c := newProject(t, core.CodeBuild{SourceVersion: "refs/tags/{{version}}", Env: map[string]string{"STACK": "{{target}}-{{labels.tier}}", "CHANNEL": "stable"}})
	act := func() core.Act {
		a := act()
		a.Target.Labels = map[string]string{"tier": "onebox"}
		return a
	}
	back := func() core.Act {
		a := back()
		a.Target.Labels = act().Target.Labels
		return a
	}
	c.deploy(t.Context(), act(), "")
	c.deploy(t.Context(), back(), "")
	c.Look(home, func(s *awstest.State) {
		if s.Builds[0].Source != "refs/tags/v2" || s.Builds[1].Source != "refs/tags/v1" {
			t.Errorf("%q, %q", s.Builds[0].Source, s.Builds[1].Source)
		}
		env := s.Builds[0].Env
		if len(env) != len(core.BuildVariables)+2 {
			t.Errorf("%q", env)
		}
		for name, want := range map[string]string{
			"BREAKWATER_TARGET": "use1-a", "BREAKWATER_VERSION": "v2", "BREAKWATER_PREVIOUS": "v1", "BREAKWATER_WAVE": act().Wave, "BREAKWATER_ROLLOUT": act().Rollout,
			"BREAKWATER_ATTEMPT": "1", "BREAKWATER_ROLLBACK": "false", "CHANNEL": "stable", "STACK": "use1-a-onebox",
		} {
			if env[name] != want {
				t.Errorf("%s is %q; want %q", name, env[name], want)
			}
		}
		if s.Builds[1].Env["BREAKWATER_ROLLBACK"] != "true" {
			t.Errorf("%q", s.Builds[1].Env)
		}
	})
	first := act()
	first.Previous = ""
	c.deploy(t.Context(), again(first), "")
	c.Look(home, func(s *awstest.State) {
		if _, has := s.Builds[2].Env["BREAKWATER_PREVIOUS"]; has {
			t.Errorf("%q", s.Builds[2].Env)
		}
	})
	c.options = &core.CodeBuild{Project: "shop-deploy", Env: map[string]string{"ZONE": "{{labels.zone}}"}}
	c.deploy(t.Context(), act(), "the target use1-a has no label zone")
}

// TestCodeBuildEnds: how a build may end, and what is said of it.
func TestCodeBuildEnds(t *testing.T) {
	const log = "; its log: https://console.aws.amazon.com/cloudwatch/home#shop-deploy:00000001"
	for name, c := range map[string]struct {
		starts func(b *awstest.Build)
		want   string
	}{
		"fails": {func(b *awstest.Build) {
			b.Ends, b.Code, b.Error = "FAILED", "COMMAND_EXECUTION_ERROR", "Error while executing command: ./deploy.sh. Reason: exit status 1"
		}, "build shop-deploy:00000001 ended with FAILED; BUILD: FAILED: COMMAND_EXECUTION_ERROR: Error while executing command: ./deploy.sh. Reason: exit status 1" + log},
		"fault": {func(b *awstest.Build) { b.Ends, b.Phase, b.Error = "FAULT", "PROVISIONING", "no host" }, "ended with FAULT; PROVISIONING: FAULT: no host" + log},
		"out of its time": {func(b *awstest.Build) {
			b.Ends, b.Code, b.Error = "TIMED_OUT", "BUILD_TIMED_OUT", "Build has timed out."
		},
			"ended with TIMED_OUT; BUILD: TIMED_OUT: BUILD_TIMED_OUT: Build has timed out." + log},
		"somebody stops it": {func(b *awstest.Build) { b.Ends = "STOPPED" }, "ended with STOPPED; BUILD: STOPPED" + log},
		"another source":    {func(b *awstest.Build) { b.Source = "main" }, `has succeeded, and was of "main" instead of "v2"` + log},
		"shows late":        {func(b *awstest.Build) { b.Unseen = 3 }, ""},
		"never shows":       {func(b *awstest.Build) { b.Unseen = 99 }, "CodeBuild does not show the build"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newProject(t, core.CodeBuild{SourceVersion: "{{version}}"})
			w.builds(c.starts)
			w.deploy(t.Context(), act(), c.want)
		})
	}
}

// TestCodeBuildForeign: what others build in the project is left alone.
func TestCodeBuildForeign(t *testing.T) {
	c := newProject(t, core.CodeBuild{})
	c.Look(home, func(s *awstest.State) {
		s.Build(awstest.Build{Project: "shop-deploy", Looks: -1})
		s.Build(awstest.Build{Project: "shop-deploy", Looks: -1, Env: map[string]string{"BREAKWATER_VERSION": "other", "BREAKWATER_MARK": "other-production-7/use1-a/1/0a0b0c0d"}})
		s.Build(awstest.Build{Project: "shop-deploy", Looks: -1, Env: map[string]string{"BREAKWATER_VERSION": "b", "BREAKWATER_MARK": act().Rollout + "/use1-b/1/0a0b0c0d"}})
	})
	c.deploy(t.Context(), act(), "")
	c.wantBuilds("IN_PROGRESS ", "IN_PROGRESS other", "IN_PROGRESS b", "SUCCEEDED v2")
	if c.count("StopBuild") != 0 {
		t.Errorf("%q", c.actions())
	}
}

// TestCodeBuildTroubles: what AWS throttles or loses never makes a second build.
func TestCodeBuildTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		meddle awstest.Meddler
		made   []string
		want   string
	}{
		"throttled start": {throttles("codebuild:StartBuild", 3), []string{"SUCCEEDED v2"}, ""},
		"throttled look":  {throttles("codebuild:BatchGetBuilds", 3), []string{"SUCCEEDED v2"}, ""},
		"lost answer":     {losesAnswers("codebuild:StartBuild", 1), []string{"SUCCEEDED v2"}, ""},
		"lost answers":    {losesAnswers("codebuild:StartBuild", 99), []string{"SUCCEEDED v2"}, ""},
		"lost request": {func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == "codebuild:StartBuild" {
				return nil, &awstest.Fault{Lost: true}
			}
			return serve()
		}, nil, "CodeBuild did not answer whether it has begun a build of shop-deploy, and shows none that has shop-production-7/use1-a/1/"},
		"too many": {refuses("codebuild:StartBuild", 3, awstest.Fault{Code: "AccountLimitExceededException", Message: "Cannot have more than 1 builds in queue for the account"}), []string{"SUCCEEDED v2"}, ""},
		"denied":   {denies("codebuild:StartBuild"), nil, "AWS refuses codebuild:StartBuild"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newProject(t, core.CodeBuild{})
			w.Meddle(c.meddle)
			w.deploy(t.Context(), act(), c.want)
			w.wantBuilds(c.made...)
		})
	}
}

// refuses has AWS say no to the first n requests for an action.
func refuses(action string, n int, fault awstest.Fault) awstest.Meddler {
	return func(got string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if got == action && n > 0 {
			n--
			return nil, &fault
		}
		return serve()
	}
}

// TestCodeBuildFull: who waits for a place until the time is over has started nothing.
func TestCodeBuildFull(t *testing.T) {
	c := newProject(t, core.CodeBuild{})
	c.Meddle(refuses("codebuild:StartBuild", 99, awstest.Fault{Code: "AccountLimitExceededException", Message: "Cannot have more than 1 builds in queue for the account"}))
	ctx, cancel := context.WithCancel(t.Context())
	c.clock.(*ticking).waits = func(time.Time) { cancel() }
	c.deploy(ctx, act(), "stopped: context canceled, and nothing was started: codebuild:StartBuild: Cannot have more than 1 builds")
	c.wantBuilds()
}

// TestCodeBuildAdopts: what an attempt that died has left is waited for if it does the same, and stopped if not.
func TestCodeBuildAdopts(t *testing.T) {
	next := act()
	next.Rollout, next.Version = strings.TrimSuffix(next.Rollout, "7")+"8", "v3"
	for name, c := range map[string]struct {
		how  func(b *awstest.Build)
		now  core.Act
		want []string
		err  string
	}{
		"the same goes on":   {func(b *awstest.Build) { b.Looks = 3 }, again(act()), []string{"SUCCEEDED v2"}, ""},
		"a deploy, now back": {func(b *awstest.Build) { b.Looks = -1 }, back(), []string{"STOPPED v2", "SUCCEEDED v1"}, ""},
		"the next rollout":   {func(b *awstest.Build) { b.Looks = -1 }, next, []string{"STOPPED v2", "SUCCEEDED v3"}, ""},
		"it stops slowly":    {func(b *awstest.Build) { b.Looks, b.SlowStop = -1, 3 }, back(), []string{"STOPPED v2", "SUCCEEDED v1"}, ""},
		"it does not stop":   {func(b *awstest.Build) { b.Looks, b.Deaf = -1, true }, back(), []string{"IN_PROGRESS v2"}, "an earlier build is still at work on use1-a: nobody knows that build shop-deploy:00000001 has stopped"},
		"the same is done":   {func(b *awstest.Build) { b.Ends = "FAILED" }, again(act()), []string{"FAILED v2", "SUCCEEDED v2"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newProject(t, core.CodeBuild{})
			first := true
			w.builds(func(b *awstest.Build) {
				if first {
					first = false
					c.how(b)
				}
			})
			ctx, kill := context.WithCancel(t.Context())
			w.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if ctx.Err() != nil {
					return nil, &awstest.Fault{Lost: true} // the process is dead
				}
				out, fault := serve()
				if action == "codebuild:StartBuild" {
					kill()
				}
				return out, fault
			})
			if output, err := w.open().Deploy(ctx, act()); err == nil {
				t.Errorf("it was taken for done: %s", output)
			}
			w.Meddle(nil)
			w.deploy(t.Context(), c.now, c.err)
			w.wantBuilds(c.want...)
		})
	}
}

// TestCodeBuildCutOff: a build whose act was cut off is stopped. One that was faster counts.
func TestCodeBuildCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(b *awstest.Build)
		want string
		all  string
	}{
		"stops":            {func(b *awstest.Build) { b.Looks = -1 }, "stopped: context canceled, while build shop-deploy:00000001 was BUILD; it ended with STOPPED; its log: https://", "STOPPED v2"},
		"does not stop":    {func(b *awstest.Build) { b.Looks, b.Deaf = -1, true }, "before anything else is put on use1-a: nobody knows that build shop-deploy:00000001 has stopped: see to that in CodeBuild", "IN_PROGRESS v2"},
		"succeeds instead": {func(b *awstest.Build) { b.Looks, b.Deaf = 3, true }, "", "SUCCEEDED v2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newProject(t, core.CodeBuild{})
			w.builds(c.how)
			ctx, cancel := context.WithCancel(t.Context())
			w.clock.(*ticking).waits = func(time.Time) {
				if w.count("StartBuild") > 0 {
					cancel()
				}
			}
			w.deploy(ctx, act(), c.want)
			w.wantBuilds(c.all)
		})
	}
}

// TestCodeBuildPages: builds are looked for on every page that may have one still at work, and on no other.
func TestCodeBuildPages(t *testing.T) {
	c := newProject(t, core.CodeBuild{})
	c.builds(func(b *awstest.Build) { b.Looks = -1 })
	ctx, kill := context.WithCancel(t.Context())
	c.clock.(*ticking).waits = func(time.Time) { kill() }
	c.Meddle(denies("codebuild:StopBuild"))
	c.deploy(ctx, act(), "nobody knows that build shop-deploy:00000001 has stopped")
	c.clock.(*ticking).waits = nil
	c.Meddle(nil)
	c.Look(home, func(s *awstest.State) {
		for range 7 {
			s.Build(awstest.Build{Project: "shop-deploy"}).Status = "SUCCEEDED"
		}
		s.Builds[0].Looks = 1
	})
	c.deploy(t.Context(), again(act()), "")
	c.Look(home, func(s *awstest.State) {
		if got := s.Builds[0].Status; got != "SUCCEEDED" || len(s.Builds) != 8 {
			t.Errorf("%s, %d builds", got, len(s.Builds))
		}
		for _, b := range s.Builds {
			b.Started = b.Started.Add(-48 * time.Hour)
		}
	})
	before := c.count("ListBuildsForProject")
	c.builds(nil)
	third := again(again(act()))
	c.deploy(t.Context(), third, "")
	if n := c.count("ListBuildsForProject") - before; n != 1 {
		t.Errorf("%d pages are read of what is long over", n)
	}
}

// TestCodeBuildPolicy: the policy in docs/drivers.md is what all the ways of a build ask for, and nothing else.
func TestCodeBuildPolicy(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		c := newProject(t, core.CodeBuild{})
		c.builds(func(b *awstest.Build) { b.Looks = -1 })
		ctx, cancel := context.WithCancel(t.Context())
		c.clock.(*ticking).waits = func(time.Time) { cancel() }
		c.deploy(ctx, act(), "stopped")
	})
	leastPrivilege(t, "aws-codebuild")
}
