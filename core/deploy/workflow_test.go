package deploy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A still clock stands still for those who could be stopped, and jumps for those who do what must still be done.
type still struct{ jumping }

func (c *still) Wait(ctx context.Context, until time.Time) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) > 2*time.Second {
		return c.jumping.Wait(ctx, until)
	}
	<-ctx.Done()
	return ctx.Err()
}

// A site is a repository with a workflow that deploys, and the driver that starts it.
type site struct {
	*githubtest.Server
	t       *testing.T
	clock   core.Clock
	timeout time.Duration
	options core.Workflow
	version map[string]string // by target
}

// newSite has a workflow that works; starts, if any, changes what becomes of its runs.
func newSite(t *testing.T, starts func(*githubtest.Run)) *site {
	s := &site{Server: githubtest.New(t), t: t, clock: &jumping{now: noon}, timeout: time.Minute, version: make(map[string]string),
		options: core.Workflow{Workflow: "deploy.yml"}}
	tree := s.Git("mktree")
	commit := s.Git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit-tree", "-m", "first", strings.TrimSpace(tree))
	s.Git("update-ref", "refs/heads/main", strings.TrimSpace(commit))
	s.Look(func(all *githubtest.State) {
		all.Workflows = []githubtest.Workflow{{
			File: "deploy.yml", Inputs: core.WorkflowInputs, RunName: "${{ inputs.version }} to ${{ inputs.target }} (${{ inputs.breakwater }})",
			Starts: func(run *githubtest.Run) {
				run.Status, run.Conclusion = "completed", "success"
				if starts != nil {
					starts(run)
				}
				if run.Conclusion == "success" {
					s.version[run.Inputs["target"]] = run.Inputs["version"]
				}
			},
		}}
	})
	return s
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func (s *site) open() core.Driver {
	s.t.Helper()
	env := map[string]string{"GITHUB_REF": "refs/heads/main", "DEPLOY_TOKEN": deploytest.Secret}
	var environ []string
	for _, v := range s.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	driver, err := deploy.Open("github-workflow", &s.options, deploy.Env{Shell: shell.New(s.t.TempDir(), environ), Timeout: s.timeout,
		Clock: s.clock, Lookup: func(name string) string { return env[name] }})
	if err != nil {
		s.t.Fatal(err)
	}
	return driver
}

// started are the runs, oldest first.
func (s *site) started() (runs []githubtest.Run) {
	s.Look(func(all *githubtest.State) { runs = slices.Clone(all.Runs) })
	return runs
}

// release has what is running come to a good end.
func (s *site) release(all *githubtest.State) {
	for i := range all.Runs {
		if run := &all.Runs[i]; run.Status == "in_progress" {
			run.Status, run.Conclusion = "completed", "success"
			s.version[run.Inputs["target"]] = run.Inputs["version"]
		}
	}
}

func (s *site) asked(what string) (n int) {
	for _, a := range s.Asked() {
		if strings.HasPrefix(a, what) {
			n++
		}
	}
	return n
}

const dispatches = "POST /actions/workflows/deploy.yml/dispatches"

func act() core.Act {
	return core.Act{Rollout: "shop-production-7", Wave: "one-box", Target: core.Target{Name: "use1-a"}, Version: "v2", Previous: "v1", Attempt: 1}
}

func TestWorkflow(t *testing.T) {
	deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
		s := newSite(t, func(run *githubtest.Run) {
			switch b {
			case deploytest.Fails:
				run.Conclusion = "failure"
				run.Jobs = []githubtest.Job{{Name: "deploy", Conclusion: "failure", Steps: []githubtest.Step{
					{Name: "check out", Conclusion: "success"}, {Name: deploytest.Complaint + " " + deploytest.Secret, Conclusion: "failure"}}}}
			case deploytest.Hangs:
				run.Status, run.Conclusion = "in_progress", ""
			}
		})
		s.timeout = timeout
		if b == deploytest.Hangs {
			s.clock = new(still)
		}
		return deploytest.World{
			Driver: s.open(),
			Behave: func(now deploytest.Behavior) { b = now },
			Another: func() core.Driver {
				s.clock, s.timeout = &ticking{now: noon, waits: func(time.Time) { s.Look(s.release) }}, time.Minute
				return s.open()
			},
			Version: func(target string) (version string) {
				s.Look(func(*githubtest.State) { version = s.version[target] })
				return version
			},
			Busy: func() bool {
				return slices.ContainsFunc(s.started(), func(run githubtest.Run) bool { return run.Status != "completed" })
			},
			Begun: func() int { return s.asked(dispatches) },
		}
	})
}

// TestWorkflowInputs: what a run is told, on which ref, and what people are shown.
func TestWorkflowInputs(t *testing.T) {
	s := newSite(t, nil)
	s.options.Inputs = map[string]string{"region": "eu"}
	s.Look(func(all *githubtest.State) {
		all.Workflows[0].Inputs = append(slices.Clone(core.WorkflowInputs), "region")
	})
	back := act()
	back.Rollback, back.Version, back.Previous = true, "v1", "v2"
	driver := s.open()
	for _, a := range []core.Act{act(), back} {
		output, err := driver.Deploy(t.Context(), a)
		run := s.started()[len(s.started())-1]
		if err != nil || output != fmt.Sprintf("https://github.com/octo/shop/actions/runs/%d", run.ID) {
			t.Errorf("%q, %v", output, err)
		}
		want := map[string]string{"target": "use1-a", "version": a.Version, "previous": a.Previous, "wave": "one-box", "rollout": "shop-production-7",
			"attempt": "1", "rollback": fmt.Sprint(a.Rollback), "region": "eu"}
		for name, value := range want {
			if run.Inputs[name] != value {
				t.Errorf("input %s is %q; want %q", name, run.Inputs[name], value)
			}
		}
		if len(run.Inputs) != len(want)+1 || !strings.Contains(run.Title, run.Inputs["breakwater"]) || run.Branch != "main" {
			t.Errorf("%+v", run)
		}
	}
	if n := driver.(core.Counted).Requests(); n != len(s.Asked()) || n != 5 { // two starts, two looks, one for what is left from before
		t.Errorf("%d requests are counted of %q", n, s.Asked())
	}
}

// TestWorkflowEnds: how a run may end, and what is said of it.
func TestWorkflowEnds(t *testing.T) {
	for conclusion, want := range map[string]string{
		"success": "", "cancelled": "its run ended with cancelled: https://github.com/octo/shop/actions/runs/1001",
		"failure": "its run ended with failure, job deploy, step smoke test: https://", "timed_out": "ended with timed_out", "neutral": "ended with neutral",
		"skipped": "ended with skipped", "stale": "ended with stale", "": "ended with no conclusion",
	} {
		s := newSite(t, func(run *githubtest.Run) {
			run.Conclusion = conclusion
			if conclusion == "failure" {
				run.Jobs = []githubtest.Job{{Name: "build", Conclusion: "success"},
					{Name: "deploy", Conclusion: "failure", Steps: []githubtest.Step{{Name: "copy", Conclusion: "success"}, {Name: "smoke test", Conclusion: "failure"}}}}
			}
		})
		_, err := s.open().Deploy(t.Context(), act())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q", conclusion, err, want)
		}
	}
}

// TestWorkflowWaits: a run is looked at ever less often, and GitHub's troubles are not its own.
func TestWorkflowWaits(t *testing.T) {
	s := newSite(t, func(run *githubtest.Run) { run.Status, run.Conclusion = "in_progress", "" })
	clock := &jumping{now: noon}
	s.clock, s.timeout = clock, 0
	s.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		switch now := clock.now.Sub(noon); {
		case r.Method != http.MethodGet:
		case now > 4*time.Minute && now < 6*time.Minute:
			w.WriteHeader(http.StatusBadGateway)
			return
		case now >= 15*time.Minute:
			s.Look(func(all *githubtest.State) { all.Runs[0].Status, all.Runs[0].Conclusion = "completed", "success" })
		}
		serve(w, r)
	})
	if _, err := s.open().Deploy(t.Context(), act()); err != nil {
		t.Error(err)
	}
	if n := s.asked("GET /actions/runs/"); n > 20+2*6 { // each look in the time of trouble is tried six times
		t.Errorf("%d looks", n)
	}
}

// TestWorkflowRefused: what GitHub does not let start, and what is said to do about it.
func TestWorkflowRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site)
		want   []string
	}{
		"undeclared inputs": {func(s *site) {
			s.Look(func(all *githubtest.State) { all.Workflows[0].Inputs = []string{"target", "version"} })
		}, []string{`Unexpected inputs provided: ["attempt","breakwater","previous","rollback","rollout","wave"] (422)`,
			"must run on workflow_dispatch and declare the inputs attempt, breakwater, previous, rollback, rollout, target, version, wave"}},
		"no such ref":      {func(s *site) { s.options.Ref = "gone" }, []string{"start deploy.yml of octo/shop on gone: No ref found for: gone (422)"}},
		"no such workflow": {func(s *site) { s.options.Workflow = "missing.yml" }, []string{"start missing.yml", "(404)", "permissions: {actions: write}", "on the default branch too"}},
		"not permitted": {func(s *site) { s.Meddle(answers(http.StatusForbidden, "Resource not accessible by integration")) },
			[]string{"Resource not accessible by integration (403); the job needs permissions: {actions: write}", "own repository only"}},
		"bad token": {func(s *site) { s.Meddle(answers(http.StatusUnauthorized, "Bad credentials")) }, []string{"the token is wrong or has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			c.change(s)
			output, err := s.open().Deploy(t.Context(), act())
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q, %v; want %q", output, err, want)
				}
			}
			if len(s.started()) != 0 || len(s.Asked()) != 1 {
				t.Errorf("%d runs, after %q", len(s.started()), s.Asked())
			}
		})
	}
}

func answers(status int, message string) githubtest.Meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":%q}`, message)
	}
}

// TestWorkflowSeeks: where nobody says which run was started, or whether one was, it is known by its name, and none is
// started twice.
func TestWorkflowSeeks(t *testing.T) {
	older := func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) { // it knows nothing of return_run_details
		if r.Method == http.MethodPost {
			text, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), `"return_run_details":true`, `"return_run_details":false`, 1)))
		}
		serve(w, r)
	}
	for name, c := range map[string]struct {
		meddle  githubtest.Meddler
		unnamed bool // the workflow has no run-name
		version string
		runs    int
		posts   int
		want    string // the error
	}{
		"it does not say":             {meddle: older, runs: 1, posts: 1},
		"it does not say, odd name":   {meddle: older, version: "releases/web/7/rc", runs: 1, posts: 1},
		"it does not say, no name":    {meddle: older, unnamed: true, runs: 1, posts: 1, want: "set run-name to ${{ inputs.breakwater }} in it"},
		"it refuses to be asked that": {meddle: refusesDetails, runs: 1, posts: 2},
		"the answer is lost":          {meddle: loses(true), runs: 1, posts: 1},
		"the request is lost":         {meddle: loses(false), runs: 0, posts: 1, want: "did not answer whether it has started deploy.yml, and shows no run whose name has shop-production-7/use1-a/1/"},
		"the answer is an error": {meddle: func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if r.Method == http.MethodPost {
				serve(new(deaf), r)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			serve(w, r)
		}, runs: 1, posts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			if c.unnamed {
				s.Look(func(all *githubtest.State) { all.Workflows[0].RunName = "" })
			}
			s.Meddle(c.meddle)
			a := act()
			a.Version = cmp.Or(c.version, a.Version)
			output, err := s.open().Deploy(t.Context(), a)
			if c.want == "" && (err != nil || output == "") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%q, %v; want %q", output, err, c.want)
			}
			if len(s.started()) != c.runs || s.asked(dispatches) != c.posts {
				t.Errorf("%d runs after %q", len(s.started()), s.Asked())
			}
		})
	}
}

// refusesDetails is a server that takes no key that it does not know.
func refusesDetails(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	text, _ := io.ReadAll(r.Body)
	if strings.Contains(string(text), "return_run_details") {
		answers(http.StatusUnprocessableEntity, `Invalid request. "return_run_details" is not a permitted key.`)(w, r, serve)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	serve(w, r)
}

// loses cuts the connection at every POST, after it was served or before.
func loses(served bool) githubtest.Meddler {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Method != http.MethodPost {
			serve(w, r)
			return
		}
		if served {
			serve(new(deaf), r)
		}
		panic(http.ErrAbortHandler)
	}
}

// A deaf client hears no answer.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header {
	if d.header == nil {
		d.header = make(http.Header)
	}
	return d.header
}
func (d *deaf) Write(p []byte) (int, error) { return len(p), nil }
func (d *deaf) WriteHeader(int)             {}

// TestWorkflowAdopts: after a crash, what an earlier attempt has left going is neither doubled nor let run beside
// something else.
func TestWorkflowAdopts(t *testing.T) {
	again, back := act(), act()
	again.Attempt = 2
	back.Rollback, back.Version, back.Previous = true, "v1", "v2"
	first, backRun, other := act(), back, act()
	other.Target.Name = "use1-b"
	for name, c := range map[string]struct {
		left     core.Act // what goes on
		stubborn bool
		over     bool // it has ended
		now      core.Act
		runs     int
		first    string // how the first run has ended
		want     string // the error
	}{
		"the same goes on":              {left: first, now: again, runs: 1, first: "success"},
		"the same has ended":            {left: first, over: true, now: again, runs: 2, first: "failure"},
		"a deploy, and now back":        {left: first, now: back, runs: 2, first: "cancelled"},
		"a deploy that cannot be ended": {left: first, stubborn: true, now: back, runs: 1, want: "an earlier run is still at work on use1-a: nobody knows that it has stopped: see to that at https://github.com/octo/shop/actions/runs/1"},
		"the way back goes on":          {left: backRun, now: back, runs: 1, first: "success"},
		"another target":                {left: other, now: again, runs: 2, first: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			probe := newSite(t, nil) // tells what a run is named
			if _, err := probe.open().Deploy(t.Context(), c.left); err != nil {
				t.Fatal(err)
			}
			s.Look(func(all *githubtest.State) {
				run := probe.started()[0]
				run.ID, run.Status, run.Conclusion, run.Stubborn = 1, "in_progress", "", c.stubborn
				if c.over {
					run.Status, run.Conclusion = "completed", "failure"
				}
				all.Runs = []githubtest.Run{run}
			})
			s.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/actions/runs/1") && s.asked("POST") == 0 {
					s.Look(func(all *githubtest.State) { all.Runs[0].Status, all.Runs[0].Conclusion = "completed", "success" })
				}
				serve(w, r)
			})
			_, err := s.open().Deploy(t.Context(), c.now)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if runs := s.started(); len(runs) != c.runs || runs[0].Conclusion != c.first {
				t.Errorf("%+v", runs)
			}
		})
	}
}

// TestWorkflowCutOff: a run whose act was cut off is cancelled; what could not be confirmed is said.
func TestWorkflowCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		stubborn bool
		meddle   func(cancel func()) githubtest.Meddler
		status   string // of the run in the end
		wants    []string
		posts    int
	}{
		"cancelled": {status: "completed", wants: []string{"stopped: context canceled, while its run was ", "; it ended with cancelled: https://github.com/octo/shop/actions/runs/1001"}, posts: 2},
		"it does not stop": {stubborn: true, status: "in_progress", posts: 2,
			wants: []string{"before anything else is put on use1-a: nobody knows that it has stopped: see to that at https://github.com/octo/shop/actions/runs/1001"}},
		"it may not be cancelled": {status: "in_progress", posts: 2, meddle: func(cancel func()) githubtest.Meddler {
			return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if strings.HasSuffix(r.URL.Path, "/cancel") {
					answers(http.StatusForbidden, "Resource not accessible by integration")(w, r, serve)
					return
				}
				serve(w, r)
				if r.Method == http.MethodGet {
					cancel()
				}
			}
		}, wants: []string{"nobody knows that it has stopped", "does not cancel it: Resource not accessible by integration (403)"}},
		"while it is started": {status: "completed", posts: 2, meddle: func(cancel func()) githubtest.Meddler {
			return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if strings.HasSuffix(r.URL.Path, "/dispatches") {
					serve(new(deaf), r)
					cancel()
					panic(http.ErrAbortHandler)
				}
				serve(w, r)
			}
		}, wants: []string{"stopped: context canceled, while its run was", "it ended with cancelled"}},
		"while it is looked for": {status: "completed", posts: 2, meddle: func(cancel func()) githubtest.Meddler {
			hidden := true
			return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/dispatches"):
					serve(new(deaf), r)
					w.WriteHeader(http.StatusBadGateway)
				case strings.HasSuffix(r.URL.Path, "/runs") && hidden:
					hidden = false
					cancel()
					fmt.Fprint(w, `{"total_count":0,"workflow_runs":[]}`)
				default:
					serve(w, r)
				}
			}
		}, wants: []string{"stopped: context canceled, while its run was", "it ended with cancelled"}},
		"before anything shows": {status: "in_progress", posts: 1, meddle: func(cancel func()) githubtest.Meddler {
			return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if r.Method == http.MethodPost {
					serve(new(deaf), r)
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				cancel()
				fmt.Fprint(w, `{"total_count":0,"workflow_runs":[]}`)
			}
		}, wants: []string{"stopped: context canceled: GitHub did not answer whether it has started deploy.yml", "look at http"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(run *githubtest.Run) { run.Status, run.Conclusion, run.Stubborn = "in_progress", "", c.stubborn })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.timeout = 0
			meddle := func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				serve(w, r)
				if r.Method == http.MethodGet {
					cancel()
				}
			}
			if c.meddle != nil {
				meddle = c.meddle(cancel)
			}
			s.Meddle(meddle)
			output, err := s.open().Deploy(ctx, act())
			for _, want := range c.wants {
				if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, context.Canceled) {
					t.Errorf("%q, %v; want %q", output, err, want)
				}
			}
			if runs := s.started(); len(runs) != 1 || runs[0].Status != c.status || s.asked("POST") != c.posts {
				t.Errorf("%+v after %q", runs, s.Asked())
			}
		})
	}
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.open().Deploy(ctx, act()); err == nil || err.Error() != "stopped: context canceled: no run was started" || len(s.Asked()) != 0 {
		t.Errorf("%v after %q", err, s.Asked())
	}
}

// TestWorkflowOpen: which repository and which ref, and what is said where that is not known.
func TestWorkflowOpen(t *testing.T) {
	for name, c := range map[string]struct {
		options    core.Workflow
		repository string
		ref        string
		want       string // the error; empty: none
	}{
		"branch":              {repository: "octo/shop", ref: "refs/heads/main"},
		"tag":                 {repository: "octo/shop", ref: "refs/tags/v1"},
		"named":               {options: core.Workflow{Ref: "main", Repository: "octo/infra"}},
		"own by name":         {options: core.Workflow{Repository: "Octo/shop"}, repository: "octo/shop", ref: "refs/heads/main"},
		"pull request":        {repository: "octo/shop", ref: "refs/pull/1/merge", want: "which branch or tag of octo/shop does deploy.yml run on?"},
		"another, no ref":     {options: core.Workflow{Repository: "octo/infra"}, repository: "octo/shop", ref: "refs/heads/main", want: "which branch or tag of octo/infra"},
		"outside, no name":    {options: core.Workflow{Ref: "main"}, want: "which repository has the workflow?"},
		"not even repository": {options: core.Workflow{Ref: "main", Repository: "infra"}, want: "write OWNER/NAME"},
	} {
		c.options.Workflow = "deploy.yml"
		env := map[string]string{"GITHUB_REPOSITORY": c.repository, "GITHUB_REF": c.ref, "GITHUB_TOKEN": "x"}
		_, err := deploy.Open("github-workflow", &c.options, deploy.Env{Lookup: func(name string) string { return env[name] }})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	for _, options := range []any{nil, core.Workflow{}, (*core.Workflow)(nil)} {
		if _, err := deploy.Open("github-workflow", options, deploy.Env{}); err == nil {
			t.Errorf("options %#v were taken", options)
		}
	}
}
