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

// newPipeline has the pipeline shop-use1-a, which puts VERSION out, and has put v1 out.
func newPipeline(t *testing.T, o core.CodePipeline) *cloud {
	o.Pipeline = "shop-{{target}}"
	if o.Variables == nil && o.Sources == nil {
		o.Variables = map[string]string{"VERSION": "{{version}}"}
	}
	c := newCloud(t, "aws-codepipeline", &o)
	c.timeout = time.Hour
	c.Look(home, func(s *awstest.State) {
		s.Pipelines["shop-use1-a"] = &awstest.Pipeline{Declares: []string{"VERSION"}, Version: 1}
		if o.Approve != nil {
			s.Pipelines["shop-use1-a"].Approval, s.Pipelines["shop-use1-a"].Last = o.Approve.Action, o.Bakes()
		}
	})
	first := act()
	first.Rollout, first.Version = "shop-production-6", "v1"
	c.deploy(t.Context(), first, "")
	if o.Bakes() {
		c.confirm(t.Context(), first, "")
	}
	return c
}

// executes says what becomes of new executions of the pipeline.
func (c *cloud) executes(what func(e *awstest.Execution)) {
	c.Look(home, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Starts = what })
}

// someoneElse starts an execution that is not ours.
func (c *cloud) someoneElse(e awstest.Execution) (is *awstest.Execution) {
	c.Look(home, func(s *awstest.State) {
		e.Pipeline, e.Variables, e.Approved = "shop-use1-a", map[string]string{"VERSION": "x"}, true
		is = s.Execute(e)
	})
	return is
}

// wantExecutions compares the executions of the pipeline, as STATUS VERSION, or STATUS back, oldest first.
func (c *cloud) wantExecutions(want ...string) {
	c.t.Helper()
	var got []string
	c.Look(home, func(s *awstest.State) {
		for _, e := range s.Executions {
			what := e.Variables["VERSION"] + e.Revision
			if e.Target != "" {
				what = "back"
			}
			got = append(got, fmt.Sprintf("%s %s", e.Status, what))
		}
	})
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		c.t.Errorf("the executions are %q; want %q", got, want)
	}
}

func TestCodePipeline(t *testing.T) {
	t.Run("plain", func(t *testing.T) { runPipelines(t, core.CodePipeline{Abandon: true}) })
	t.Run("approval", func(t *testing.T) {
		runPipelines(t, core.CodePipeline{Abandon: true, Approve: &core.CodePipelineApproval{Stage: "Deploy", Action: "Go"}})
	})
	t.Run("approval after the bake", func(t *testing.T) { runPipelines(t, core.CodePipeline{Abandon: true, Approve: afterBake()}) })
}

func afterBake() *core.CodePipelineApproval {
	return &core.CodePipelineApproval{Stage: "Deploy", Action: "Go", After: "bake"}
}

// runPipelines puts the driver with some options through the suite.
func runPipelines(t *testing.T, o core.CodePipeline) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		c := newPipeline(t, o)
		c.timeout = timeout
		behave := func(b deploytest.Behavior) {
			c.Look(home, func(s *awstest.State) {
				for _, e := range s.Executions {
					e.Looks = 2
				}
			})
			c.executes(func(e *awstest.Execution) {
				switch b {
				case deploytest.Fails:
					e.Ends, e.Code, e.Error = "Failed", "JobFailed", deploytest.Complaint+" "+deploytest.Secret
				case deploytest.Hangs:
					e.Looks, e.Deaf = -1, true
				case deploytest.Lies:
					e.Variables["VERSION"] = "v0"
				}
			})
		}
		before := c.count("StartPipelineExecution")
		w := c.world(b, behave,
			func(s *awstest.State, target string) string {
				if p := s.Pipelines["shop-"+target]; p != nil {
					return p.Runs
				}
				return ""
			},
			func(s *awstest.State) bool { return slices.ContainsFunc(s.Executions, (*awstest.Execution).Active) }, "StartPipelineExecution")
		begun := w.Begun
		w.Begun = func() int { return begun() - before }
		w.Foreign = func(string) func() bool {
			theirs := c.someoneElse(awstest.Execution{Looks: 3})
			return func() bool { return theirs.Status == "Succeeded" }
		}
		return w
	})
}

// TestCodePipelineRounds: forwards, once more without a second execution, and back.
func TestCodePipelineRounds(t *testing.T) {
	for name, o := range map[string]core.CodePipeline{
		"variable": {}, "source": {Sources: []core.CodePipelineSource{{Action: "Source", Value: "{{version}}"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newPipeline(t, o)
			for _, a := range []core.Act{act(), again(act()), back(), again(back())} {
				c.deploy(t.Context(), a, "")
			}
			c.wantExecutions("Succeeded v1", "Succeeded v2", "Succeeded v1")
		})
	}
}

// TestCodePipelineStage: a rollback takes the stage back where CodePipeline can do that, and else runs all of the pipeline.
func TestCodePipelineStage(t *testing.T) {
	for name, c := range map[string]struct {
		o      core.CodePipeline
		before func(s *awstest.State)
		want   string
		says   string
	}{
		"can":         {core.CodePipeline{RollbackStage: "Deploy"}, func(*awstest.State) {}, "Succeeded back", "takes the stage Deploy of shop-use1-a back to 00000000-0000-4000-8000-000000000001"},
		"has changed": {core.CodePipeline{RollbackStage: "Deploy"}, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Version++ }, "Succeeded v1", "no execution has put v1 on use1-a by the stage Deploy as it is now: the whole pipeline runs"},
		"parallel":    {core.CodePipeline{RollbackStage: "Deploy"}, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Mode = "PARALLEL" }, "Succeeded v1", "the whole pipeline runs: codepipeline:RollbackStage: the stage is running, or the pipeline is parallel"},
		"no stage":    {core.CodePipeline{RollbackStage: "Prod"}, func(*awstest.State) {}, "Succeeded v1", "the whole pipeline runs: codepipeline:RollbackStage: there is no such stage"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPipeline(t, c.o)
			w.deploy(t.Context(), act(), "")
			w.Look(home, c.before)
			if output := w.deploy(t.Context(), back(), ""); !strings.Contains(output, c.says) {
				t.Errorf("%s", output)
			}
			w.wantExecutions("Succeeded v1", "Succeeded v2", c.want)
			w.deploy(t.Context(), again(back()), "")
			w.wantExecutions("Succeeded v1", "Succeeded v2", c.want)
		})
	}
}

// TestCodePipelineTakenBack: where the pipeline itself takes the stage back, a rollback waits for that.
func TestCodePipelineTakenBack(t *testing.T) {
	c := newPipeline(t, core.CodePipeline{RollbackStage: "Deploy"})
	c.executes(func(e *awstest.Execution) { e.Ends, e.Undo = "Failed", true })
	c.deploy(t.Context(), act(), "; the pipeline takes a stage back by 00000000-0000-4000-8000-000000000003, which is InProgress")
	c.deploy(t.Context(), back(), "")
	c.wantExecutions("Succeeded v1", "Failed v2", "Succeeded back")
}

// TestCodePipelineEnds: how an execution may end, and what is said of it.
func TestCodePipelineEnds(t *testing.T) {
	for name, c := range map[string]struct {
		starts func(e *awstest.Execution)
		want   string
	}{
		"fails": {func(e *awstest.Execution) {
			e.Ends, e.Code, e.Error = "Failed", "JobFailed", "the deployment has failed"
		},
			"ended with Failed; Deploy/App: Failed: JobFailed: the deployment has failed (https://console.aws.amazon.com/codesuite/codedeploy/00000000-0000-4000-8000-000000000002)"},
		"somebody stops it":       {func(e *awstest.Execution) { e.Ends, e.Summary = "Stopped", "by ann" }, "ended with Stopped: by ann"},
		"the pipeline is changed": {func(e *awstest.Execution) { e.Ends = "Cancelled" }, "ended with Cancelled"},
		"superseded":              {func(e *awstest.Execution) { e.Ends = "Superseded" }, "was superseded: a newer one has taken its place in shop-use1-a, and nobody knows what that puts on use1-a"},
		"another version":         {func(e *awstest.Execution) { e.Variables["VERSION"] = "v9" }, `has succeeded, and does not say that it had "v2" in the variable VERSION`},
		"shows late":              {func(e *awstest.Execution) { e.Unseen = 3 }, ""},
		"never shows":             {func(e *awstest.Execution) { e.Unseen = 99 }, "codepipeline:GetPipelineExecution: There is no execution"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPipeline(t, core.CodePipeline{})
			w.executes(c.starts)
			w.deploy(t.Context(), act(), c.want)
		})
	}
	w := newPipeline(t, core.CodePipeline{Sources: []core.CodePipelineSource{{Action: "Source", Value: "{{version}}"}}})
	w.executes(func(e *awstest.Execution) { e.Revision = "0a1b2c" })
	w.deploy(t.Context(), act(), `has succeeded, and does not say that it had the commit "v2" of Source`)
}

// TestCodePipelineForeign: what somebody else runs is waited for and never stopped; in a parallel pipeline it is left alone.
func TestCodePipelineForeign(t *testing.T) {
	c := newPipeline(t, core.CodePipeline{})
	c.someoneElse(awstest.Execution{Looks: 5, Trigger: "Webhook"})
	if output := c.deploy(t.Context(), act(), ""); !strings.Contains(output, "waiting for execution 00000000-0000-4000-8000-000000000002 of shop-use1-a, by Webhook arn:aws:iam::") {
		t.Errorf("%s", output)
	}
	c.wantExecutions("Succeeded v1", "Succeeded x", "Succeeded v2")

	c = newPipeline(t, core.CodePipeline{})
	c.someoneElse(awstest.Execution{Looks: -1})
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	c.clock.(*ticking).waits = func(time.Time) {
		if looks++; looks == 9 {
			cancel()
		}
	}
	c.deploy(ctx, act(), "stopped: context canceled, and nothing was started: execution 00000000-0000-4000-8000-000000000002 by StartPipelineExecution")
	if c.count("StopPipelineExecution") != 0 {
		t.Errorf("%q", c.actions())
	}

	c = newPipeline(t, core.CodePipeline{})
	c.Look(home, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Mode = "PARALLEL" })
	c.someoneElse(awstest.Execution{Looks: -1})
	c.deploy(t.Context(), act(), "")
	c.wantExecutions("Succeeded v1", "InProgress x", "Succeeded v2")
}

// TestCodePipelineTroubles: what AWS throttles or loses never makes a second execution.
func TestCodePipelineTroubles(t *testing.T) {
	loses := func(what string) awstest.Meddler {
		return func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if action == what {
				return nil, &awstest.Fault{Lost: true}
			}
			return serve()
		}
	}
	const start, take = "codepipeline:StartPipelineExecution", "codepipeline:RollbackStage"
	conflict := awstest.Fault{Code: "ConflictException", Message: "the pipeline is busy"}
	for name, c := range map[string]struct {
		act    core.Act
		meddle awstest.Meddler
		made   string
		want   string
	}{
		"throttled start":      {act(), throttles(start, 3), "Succeeded v2", ""},
		"throttled look":       {act(), throttles("codepipeline:GetPipelineExecution", 3), "Succeeded v2", ""},
		"lost answer":          {act(), losesAnswers(start, 1), "Succeeded v2", ""},
		"lost answers":         {act(), losesAnswers(start, 99), "Succeeded v2", ""},
		"busy":                 {act(), refuses(start, 3, conflict), "Succeeded v2", ""},
		"lost request":         {act(), loses(start), "", "CodePipeline did not answer whether it has started shop-use1-a, and shows no execution that has shop-production-7/use1-a/1/"},
		"denied":               {act(), denies(start), "", "AWS refuses codepipeline:StartPipelineExecution"},
		"throttled taking":     {back(), throttles(take, 3), "Succeeded back", ""},
		"busy taking":          {back(), refuses(take, 3, conflict), "Succeeded back", ""},
		"lost answer, taking":  {back(), losesAnswers(take, 1), "Succeeded back", ""},
		"lost request, taking": {back(), loses(take), "", "CodePipeline did not answer whether it takes the stage Deploy of shop-use1-a back"},
		"denied taking":        {back(), denies(take), "", "AWS refuses codepipeline:RollbackStage"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPipeline(t, core.CodePipeline{RollbackStage: "Deploy"})
			want := []string{"Succeeded v1"}
			if c.act.Rollback {
				w.deploy(t.Context(), act(), "")
				want = append(want, "Succeeded v2")
			}
			w.Meddle(c.meddle)
			w.deploy(t.Context(), c.act, c.want)
			if c.made != "" {
				want = append(want, c.made)
			}
			w.wantExecutions(want...)
		})
	}
}

// TestCodePipelineAdopts: what an attempt that died has left is waited for if it does the same, and stopped if not.
func TestCodePipelineAdopts(t *testing.T) {
	next := act()
	next.Rollout, next.Version = "shop-production-8", "v3"
	for name, c := range map[string]struct {
		left core.Act
		how  func(e *awstest.Execution)
		now  core.Act
		want []string
		err  string
	}{
		"the same goes on":      {act(), func(e *awstest.Execution) { e.Looks = 3 }, again(act()), []string{"Succeeded v2"}, ""},
		"a deploy, now back":    {act(), func(e *awstest.Execution) { e.Looks = -1 }, back(), []string{"Stopped v2", "Succeeded back"}, ""},
		"the next rollout":      {act(), func(e *awstest.Execution) { e.Looks = -1 }, next, []string{"Stopped v2", "Succeeded v3"}, ""},
		"its action takes long": {act(), func(e *awstest.Execution) { e.Looks = 30 }, back(), []string{"Stopped v2", "Succeeded back"}, ""},
		"it does not stop":      {act(), func(e *awstest.Execution) { e.Looks, e.Deaf = -1, true }, back(), []string{"Stopping v2"}, "an earlier execution is still at work on use1-a: nobody knows that execution 00000000-0000-4000-8000-000000000002 has stopped, which is Stopping"},
		"the same has failed":   {act(), func(e *awstest.Execution) { e.Ends = "Failed" }, again(act()), []string{"Failed v2", "Succeeded v2"}, ""},
		"it is taken back":      {back(), func(e *awstest.Execution) { e.Looks = 3 }, again(back()), []string{"Succeeded back"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPipeline(t, core.CodePipeline{RollbackStage: "Deploy"})
			first := true
			w.executes(func(e *awstest.Execution) {
				if first {
					first = false
					c.how(e)
				}
			})
			ctx, kill := context.WithCancel(t.Context())
			w.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if ctx.Err() != nil {
					return nil, &awstest.Fault{Lost: true} // the process is dead
				}
				out, fault := serve()
				if action == "codepipeline:StartPipelineExecution" || action == "codepipeline:RollbackStage" {
					kill()
				}
				return out, fault
			})
			if output, err := w.open().Deploy(ctx, c.left); err == nil {
				t.Errorf("it was taken for done: %s", output)
			}
			w.Meddle(nil)
			until, cancel := context.WithCancel(t.Context())
			defer cancel()
			waits := 0
			w.clock.(*ticking).waits = func(time.Time) {
				if waits++; waits == 60 {
					cancel()
				}
			}
			w.deploy(until, c.now, c.err)
			w.wantExecutions(append([]string{"Succeeded v1"}, c.want...)...)
		})
	}
}

// TestCodePipelineCutOff: an execution whose act was cut off is stopped, and what of it goes on is said.
func TestCodePipelineCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		o    core.CodePipeline
		how  func(e *awstest.Execution)
		want string
		all  string
	}{
		"stops": {core.CodePipeline{}, func(e *awstest.Execution) { e.Looks = -1 }, "stopped: context canceled, while execution 00000000-0000-4000-8000-000000000002 was not looked at yet; it ended with Stopped", "Stopped v2"},
		"its action goes on": {core.CodePipeline{}, func(e *awstest.Execution) { e.Looks, e.Deaf = -1, true },
			"before anything else is put on use1-a: nobody knows that execution 00000000-0000-4000-8000-000000000002 has stopped, which is Stopping: see to that in CodePipeline; Deploy/App: InProgress (https://", "Stopping v2"},
		"its action is abandoned": {core.CodePipeline{Abandon: true}, func(e *awstest.Execution) { e.Looks, e.Deaf = -1, true },
			"it ended with Stopped; Deploy/App: Abandoned (https://", "Stopped v2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPipeline(t, c.o)
			w.executes(c.how)
			ctx, cancel := context.WithCancel(t.Context())
			w.clock.(*ticking).waits = func(time.Time) {
				if w.count("StartPipelineExecution") > 1 {
					cancel()
				}
			}
			w.deploy(ctx, act(), c.want)
			w.wantExecutions("Succeeded v1", c.all)
		})
	}
}

// TestCodePipelineApproves: the approval that the plan names is given once the execution gets there, and no other.
func TestCodePipelineApproves(t *testing.T) {
	for _, action := range []string{"Go", "Other"} {
		c := newPipeline(t, core.CodePipeline{})
		c.options.(*core.CodePipeline).Approve = &core.CodePipelineApproval{Stage: "Deploy", Action: "Go"}
		c.Look(home, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Approval = action })
		want := ""
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if action != "Go" {
			looks := 0
			c.clock.(*ticking).waits = func(time.Time) {
				if looks++; looks == 9 {
					cancel()
				}
			}
			want = "nobody knows that execution 00000000-0000-4000-8000-000000000002 has stopped, which is Stopping"
		}
		output := c.deploy(ctx, act(), want)
		if want == "" && (!strings.Contains(output, "Deploy/Go is approved") || c.count("PutApprovalResult") != 1) {
			t.Errorf("%s\n%q", output, c.actions())
		}
	}
}

// TestCodePipelineBakes: an execution waits for its approval until the wave has passed, and a further attempt finds it there.
func TestCodePipelineBakes(t *testing.T) {
	c := newPipeline(t, core.CodePipeline{Approve: afterBake()})
	before := c.count("PutApprovalResult")
	c.executes(func(e *awstest.Execution) { e.Looks = 3 })
	for _, a := range []core.Act{act(), again(act())} {
		if output := c.deploy(t.Context(), a, ""); !strings.Contains(output, "execution 00000000-0000-4000-8000-000000000002 waits at Deploy/Go for the end of the bake") {
			t.Errorf("%s", output)
		}
	}
	c.wantExecutions("Succeeded v1", "InProgress v2")
	for range 2 { // whoever is cut off tells it again
		c.confirm(t.Context(), again(act()), "")
		c.wantExecutions("Succeeded v1", "Succeeded v2")
	}
	if n := c.count("PutApprovalResult") - before; n != 1 {
		t.Errorf("it is approved %d times", n)
	}
}

// TestCodePipelineBakesBack: what goes back is rejected, as nothing else would end it, and the way back waits for no bake.
func TestCodePipelineBakesBack(t *testing.T) {
	for _, stage := range []string{"", "Deploy"} {
		c := newPipeline(t, core.CodePipeline{Approve: afterBake(), RollbackStage: stage})
		c.deploy(t.Context(), act(), "")
		output := c.deploy(t.Context(), back(), "")
		if !strings.Contains(output, "Deploy/Go is rejected: it goes back") {
			t.Errorf("%s", output)
		}
		c.wantExecutions("Succeeded v1", "Failed v2", map[string]string{"": "Succeeded v1", "Deploy": "Succeeded back"}[stage])
		c.confirm(t.Context(), act(), "shop-use1-a shows no execution that has put v2 on use1-a, or a newer one has put something else there")
	}
}

// TestCodePipelineBakesLost: an approval that somebody else has refused, or that came too late, is no success.
func TestCodePipelineBakesLost(t *testing.T) {
	c := newPipeline(t, core.CodePipeline{Approve: afterBake()})
	c.deploy(t.Context(), act(), "")
	c.Look(home, func(s *awstest.State) {
		e := s.Executions[1]
		e.Status, e.Code, e.Error = "Failed", "ApprovalRejected", "not today"
	})
	for range 2 {
		c.confirm(t.Context(), act(), "execution 00000000-0000-4000-8000-000000000002 ended with Failed; Deploy/App: Failed: ApprovalRejected: not today")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.deploy(ctx, again(act()), "")
	c.executes(func(e *awstest.Execution) { e.Looks = -1 })
	c.clock.(*ticking).waits = func(time.Time) { cancel() }
	c.confirm(ctx, again(act()), "run this again to see how it ends")
}

// TestCodePipelineRefuses: what can never work is said before anything is started.
func TestCodePipelineRefuses(t *testing.T) {
	c := newPipeline(t, core.CodePipeline{})
	for want, variables := range map[string]map[string]string{
		"the target use1-a has no label zone":                                    {"VERSION": "{{labels.zone}}"},
		"the variable VERSION is empty for the target use1-a":                    {"VERSION": ""},
		"codepipeline:StartPipelineExecution: the pipeline declares no variable": {"OTHER": "x"},
	} {
		c.options = &core.CodePipeline{Pipeline: "shop-use1-a", Variables: variables}
		c.deploy(t.Context(), act(), want)
	}
	c.wantExecutions("Succeeded v1")
}

// TestCodePipelinePolicy: the policy in docs/drivers.md is what all the ways of an execution ask for, and nothing else.
func TestCodePipelinePolicy(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		c := newPipeline(t, core.CodePipeline{RollbackStage: "Deploy", Approve: &core.CodePipelineApproval{Stage: "Deploy", Action: "Go"}})
		c.Look(home, func(s *awstest.State) { s.Pipelines["shop-use1-a"].Approval = "Go" })
		c.deploy(t.Context(), act(), "")
		c.deploy(t.Context(), back(), "")
		c.executes(func(e *awstest.Execution) { e.Looks = -1 })
		ctx, cancel := context.WithCancel(t.Context())
		c.clock.(*ticking).waits = func(time.Time) { cancel() }
		c.deploy(ctx, again(act()), "stopped")
	})
	leastPrivilege(t, "aws-codepipeline")
}
