package deploy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A yard is a project on GitLab whose pipelines, or manual jobs, deploy.
type yard struct {
	*gitlabtest.Server
	t       *testing.T
	driver  string
	options any
	clock   core.Clock
	timeout time.Duration
	env     map[string]string // beside what a job of the project has
	version map[string]string // by target
}

// newYard has pipelines and manual jobs that work; ends, if any, says how they end: a status, and why if it failed.
func newYard(t *testing.T, driver string, ends func(variables map[string]string) (status, reason string)) *yard {
	y := &yard{Server: gitlabtest.New(t), t: t, driver: driver, clock: &jumping{now: noon}, timeout: time.Minute, version: make(map[string]string),
		env: map[string]string{"CI_PIPELINE_ID": "77", "CI_COMMIT_BRANCH": "main", "DEPLOY_TOKEN": deploytest.Secret}}
	y.options = map[string]any{"gitlab-pipeline": new(core.Pipeline), "gitlab-job": &core.ManualJob{Job: "deploy {{target}}"}}[driver]
	end := func(variables map[string]string) (string, string) {
		status, reason := "success", ""
		if ends != nil {
			status, reason = ends(variables)
		}
		if status == "success" {
			y.version[variables["BREAKWATER_TARGET"]] = variables["BREAKWATER_VERSION"]
		}
		return status, reason
	}
	y.Look(func(s *gitlabtest.State) {
		s.Pipelines = []gitlabtest.Pipeline{{ID: 77, Ref: "main", Source: "push", Status: "running"}}
		s.Jobs = []gitlabtest.Job{{ID: 1, Pipeline: 77, Name: "breakwater", Status: "running"}, {ID: 2, Pipeline: 77, Name: "deploy use1-a", Status: "manual"},
			{ID: 3, Pipeline: 77, Name: "deploy use1-b", Status: "manual"}}
		s.Starts = func(p *gitlabtest.Pipeline) {
			var reason string
			if p.Status, reason = end(p.Variables); reason != "" {
				s.Jobs = append(s.Jobs, gitlabtest.Job{ID: 1, Pipeline: p.ID, Name: "build", Status: "success"}, gitlabtest.Job{ID: 2, Pipeline: p.ID, Name: reason, Status: "failed"},
					gitlabtest.Job{ID: 3, Pipeline: p.ID, Name: "lint", Status: "failed", Optional: true})
			}
		}
		s.Plays = func(j *gitlabtest.Job) { j.Status, j.Reason = end(j.Variables) }
	})
	return y
}

func (y *yard) lookup() map[string]string {
	env := make(map[string]string)
	for _, v := range y.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	maps.Copy(env, y.env)
	return env
}

func (y *yard) tryOpen() (core.Driver, error) {
	env := y.lookup()
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return deploy.Open(y.driver, y.options, deploy.Env{Shell: shell.New(y.t.TempDir(), environ), Timeout: y.timeout, Clock: y.clock,
		Lookup: func(name string) string { return env[name] }})
}

func (y *yard) open() core.Driver {
	y.t.Helper()
	driver, err := y.tryOpen()
	if err != nil {
		y.t.Fatal(err)
	}
	return driver
}

// A ran is a pipeline or a job that was started for an act.
type ran struct {
	id        int
	status    string
	variables map[string]string
}

// ran are those that were started, oldest first.
func (y *yard) ran() (all []ran) {
	y.Look(func(s *gitlabtest.State) {
		for _, p := range s.Pipelines {
			if p.Source == "api" {
				all = append(all, ran{p.ID, p.Status, p.Variables})
			}
		}
		for _, j := range s.Jobs {
			if j.Variables != nil {
				all = append(all, ran{j.ID, j.Status, j.Variables})
			}
		}
	})
	return all
}

// release has what is running come to a good end.
func (y *yard) release(s *gitlabtest.State) {
	end := func(status *string, variables map[string]string) {
		if *status == "running" && variables != nil {
			*status = "success"
			y.version[variables["BREAKWATER_TARGET"]] = variables["BREAKWATER_VERSION"]
		}
	}
	for i := range s.Pipelines {
		end(&s.Pipelines[i].Status, s.Pipelines[i].Variables)
	}
	for i := range s.Jobs {
		end(&s.Jobs[i].Status, s.Jobs[i].Variables)
	}
}

func (y *yard) asked(what string) (n int) {
	for _, a := range y.Asked() {
		if strings.HasPrefix(a, what) {
			n++
		}
	}
	return n
}

var onGitLab = []string{"gitlab-job", "gitlab-pipeline"}

// eachOnGitLab runs a test for both drivers.
func eachOnGitLab(t *testing.T, test func(t *testing.T, driver string)) {
	for _, driver := range onGitLab {
		t.Run(driver, func(t *testing.T) { test(t, driver) })
	}
}

// begins reports whether a request is one that starts something.
func begins(r *http.Request) bool {
	return r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/pipeline") || strings.HasSuffix(r.URL.Path, "/play"))
}

func TestOnGitLab(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		deploytest.Run(t, func(t *testing.T, b deploytest.Behavior, timeout time.Duration) deploytest.World {
			y := newYard(t, driver, func(map[string]string) (string, string) {
				switch b {
				case deploytest.Fails:
					return "failed", deploytest.Complaint + " " + deploytest.Secret
				case deploytest.Hangs:
					return "running", ""
				}
				return "success", ""
			})
			y.timeout = timeout
			if b == deploytest.Hangs {
				y.clock = new(still)
			}
			return deploytest.World{
				Driver: y.open(),
				Behave: func(now deploytest.Behavior) { b = now },
				Another: func() core.Driver {
					y.clock, y.timeout = &ticking{now: noon, waits: func(time.Time) { y.Look(y.release) }}, time.Minute
					return y.open()
				},
				Begun: func() int { return len(y.ran()) },
				Version: func(target string) (version string) {
					y.Look(func(*gitlabtest.State) { version = y.version[target] })
					return version
				},
				Busy: func() bool {
					return slices.ContainsFunc(y.ran(), func(r ran) bool { return r.status == "running" })
				},
			}
		})
	})
}

// TestOnGitLabVariables: what is told, on which ref, what people are shown, and how often GitLab is asked.
func TestOnGitLabVariables(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		y := newYard(t, driver, nil)
		more := map[string]string{"REGION": "eu"}
		y.options = map[string]any{"gitlab-pipeline": &core.Pipeline{Variables: more}, "gitlab-job": &core.ManualJob{Job: "deploy {{target}}", Variables: more}}[driver]
		forwards := act()
		forwards.Target.Labels = map[string]string{"cell": "one"}
		back := forwards
		back.Rollback, back.Version, back.Previous = true, "v1", "v2"
		open := y.open()
		for _, a := range []core.Act{forwards, back} {
			output, err := open.Deploy(t.Context(), a)
			run := y.ran()[len(y.ran())-1]
			if err != nil || !strings.HasPrefix(output, y.Web) || !strings.HasSuffix(output, fmt.Sprintf("s/%d", run.id)) {
				t.Errorf("%q, %v", output, err)
			}
			want := map[string]string{"BREAKWATER_TARGET": "use1-a", "BREAKWATER_VERSION": a.Version, "BREAKWATER_PREVIOUS": a.Previous, "BREAKWATER_WAVE": "one-box",
				"BREAKWATER_ROLLOUT": "shop-production-7", "BREAKWATER_ATTEMPT": "1", "BREAKWATER_ACTION": map[bool]string{false: "deploy", true: "rollback"}[a.Rollback],
				"BREAKWATER_LABEL_CELL": "one", "REGION": "eu"}
			for name, value := range want {
				if run.variables[name] != value {
					t.Errorf("variable %s is %q; want %q", name, run.variables[name], value)
				}
			}
			if len(run.variables) != len(want)+1 || !strings.HasPrefix(run.variables[core.MarkVariable], "shop-production-7/use1-a/1/") {
				t.Errorf("%+v", run)
			}
		}
		// Two starts, two looks; to find what to play, or what is left from before, is one list each time.
		want := map[string]int{"gitlab-pipeline": 5, "gitlab-job": 6}[driver]
		if n := open.(core.Counted).Requests(); n != len(y.Asked()) || n != want {
			t.Errorf("%d requests are counted of %q", n, y.Asked())
		}
	})
}

// TestOnGitLabEnds: how a pipeline or a job may end, and what is said of it.
func TestOnGitLabEnds(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		for status, want := range map[string]string{
			"success": "", "canceled": "ended as canceled: http", "skipped": "ended as skipped: http", "failed": "ended as failed, ",
			"manual": "waits for somebody to play a job of it, and was cancelled: http",
		} {
			if driver == "gitlab-job" && status == "manual" {
				continue // one that was played never waits again
			}
			y := newYard(t, driver, func(map[string]string) (string, string) {
				return status, map[string]string{"failed": "smoke test"}[status]
			})
			output, err := y.open().Deploy(t.Context(), act())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %q, %v; want %q", status, output, err, want)
			}
			if status == "failed" && (!strings.Contains(err.Error(), "smoke test") || !strings.Contains(output, "smoke test") || strings.Contains(output, "lint")) {
				t.Errorf("%q, %v", output, err)
			}
			if got := y.ran(); status == "manual" && got[0].status != "canceled" {
				t.Errorf("%+v", got)
			}
		}
	})
}

// TestOnGitLabWaits: a run is looked at ever less often, and GitLab's troubles are not its own.
func TestOnGitLabWaits(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		y := newYard(t, driver, func(map[string]string) (string, string) { return "running", "" })
		clock := &jumping{now: noon}
		y.clock, y.timeout = clock, 0
		y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			switch now := clock.now.Sub(noon); {
			case r.Method != http.MethodGet:
			case now > 4*time.Minute && now < 6*time.Minute:
				w.WriteHeader(http.StatusBadGateway)
				return
			case now >= 15*time.Minute:
				y.end("success")
			}
			serve(w, r)
		})
		if _, err := y.open().Deploy(t.Context(), act()); err != nil {
			t.Error(err)
		}
		if n := len(y.Asked()); n > 22+2*6 { // each look in the time of trouble is tried six times
			t.Errorf("%d requests", n)
		}
	})
}

// end ends everything that was started.
func (y *yard) end(status string) {
	y.Look(func(s *gitlabtest.State) {
		for i := range s.Pipelines {
			if s.Pipelines[i].Source == "api" && s.Pipelines[i].Status == "running" {
				s.Pipelines[i].Status = status
			}
		}
		for i := range s.Jobs {
			if s.Jobs[i].Variables != nil && s.Jobs[i].Status == "running" {
				s.Jobs[i].Status = status
			}
		}
	})
}

// TestOnGitLabRefused: what GitLab does not let start, and what is said to do about it.
func TestOnGitLabRefused(t *testing.T) {
	says := func(status int, message string) func(*yard) {
		return func(y *yard) {
			y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
				if begins(r) {
					answers(status, message)(w, r, serve)
					return
				}
				serve(w, r)
			})
		}
	}
	noVariables := func(y *yard) { y.Look(func(s *gitlabtest.State) { s.NoVariables = true }) }
	for name, c := range map[string]struct {
		driver string
		change func(*yard)
		want   []string
	}{
		"no such ref":          {"gitlab-pipeline", func(y *yard) { y.options.(*core.Pipeline).Ref = "gone" }, []string{"start a pipeline of acme/shop on gone: Reference not found (400)", "the ref must exist"}},
		"no variables":         {"gitlab-pipeline", noVariables, []string{"Insufficient permissions to set pipeline variables (400)", "Settings, CI/CD, Variables must let the role Developer use pipeline variables"}},
		"no variables of jobs": {"gitlab-job", noVariables, []string{`start the job "deploy use1-a", which is manual (http`, "(403)", "the role Developer in acme/shop", "Settings, CI/CD, Variables"}},
		"no variables of jobs that have run": {"gitlab-job", func(y *yard) { noVariables(y); y.jobIs("failed", map[string]string{"X": "y"}) },
			[]string{"which is failed (http", "does not exist or you don't have permission", "(403)", "Settings, CI/CD, Variables"}},
		"no such project":     {"gitlab-pipeline", func(y *yard) { *y.options.(*core.Pipeline) = core.Pipeline{Project: "acme/other", Ref: "main"} }, []string{"Not Found (404)", "reaches no other project"}},
		"not permitted":       {"gitlab-pipeline", says(http.StatusForbidden, "403 Forbidden"), []string{"403 Forbidden (403); BREAKWATER_TOKEN needs the scope api and the role Developer in acme/shop"}},
		"bad token":           {"gitlab-pipeline", says(http.StatusUnauthorized, "401 Unauthorized"), []string{"BREAKWATER_TOKEN is wrong or has expired"}},
		"bad token of jobs":   {"gitlab-job", says(http.StatusUnauthorized, "401 Unauthorized"), []string{"BREAKWATER_TOKEN is wrong or has expired"}},
		"unplayable":          {"gitlab-job", says(http.StatusBadRequest, "400 Bad request - Unplayable Job"), []string{"Unplayable Job (400)"}},
		"no such job":         {"gitlab-job", func(y *yard) { y.options.(*core.ManualJob).Job = "ship {{target}}" }, []string{`the pipeline 77 has no job "ship use1-a"`}},
		"no such label":       {"gitlab-job", func(y *yard) { y.options.(*core.ManualJob).Job = "ship {{labels.cell}}" }, []string{"has no label cell"}},
		"its turn is not yet": {"gitlab-job", func(y *yard) { y.jobIs("created", nil) }, []string{`the job "deploy use1-a" is created, and not by this rollout`, "needs: []"}},
		"played by somebody":  {"gitlab-job", func(y *yard) { y.jobIs("running", map[string]string{"X": "y"}) }, []string{"is running, and not by this rollout"}},
		"it was skipped":      {"gitlab-job", func(y *yard) { y.jobIs("skipped", nil) }, []string{"which is skipped", "Job is not retryable (403)"}},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, c.driver, nil)
			c.change(y)
			output, err := y.open().Deploy(t.Context(), act())
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%q, %v; want %q", output, err, want)
				}
			}
			if len(y.version) != 0 || len(y.Asked()) > 3 {
				t.Errorf("%v, after %q", y.version, y.Asked())
			}
		})
	}
}

// jobIs sets what became of the job of the target before.
func (y *yard) jobIs(status string, variables map[string]string) {
	y.Look(func(s *gitlabtest.State) { s.Jobs[1].Status, s.Jobs[1].Variables = status, variables })
}

// TestOnGitLabSeeks: where nobody says whether something was started, it is known by its mark, and none is started twice.
func TestOnGitLabSeeks(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		for name, c := range map[string]struct {
			served bool
			status int // of the answer; 0: none
			want   string
		}{
			"the answer is lost":     {served: true},
			"the request is lost":    {want: "GitLab did not answer whether it has started"},
			"the answer is an error": {served: true, status: http.StatusBadGateway},
			"a conflict":             {status: http.StatusConflict, want: "GitLab did not answer whether it has started"},
		} {
			for _, again := range []bool{false, true} { // a job that has run before is started again
				t.Run(fmt.Sprint(name, " ", again), func(t *testing.T) {
					y := newYard(t, driver, nil)
					if again {
						y.jobIs("failed", map[string]string{core.MarkVariable: "shop-production-6/use1-a/1/0"})
					}
					y.Look(func(s *gitlabtest.State) { // of others, and for others
						s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: 5000, Ref: "main", Source: "api", Status: "success", By: 5},
							gitlabtest.Pipeline{ID: 5001, Ref: "main", Source: "api", Status: "success", By: gitlabtest.Me, Variables: map[string]string{core.MarkVariable: "shop-production-7/use1-b/1/0"}})
					})
					before := len(y.ran())
					starts := 0
					y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
						first := r.Method == http.MethodPost && starts == 0
						if first {
							starts++
						} else if begins(r) {
							t.Error("it is started twice")
						}
						if first && c.served {
							serve(new(deaf), r)
						}
						switch {
						case !first:
							serve(w, r)
						case c.status == 0:
							panic(http.ErrAbortHandler)
						default:
							w.WriteHeader(c.status)
						}
					})
					output, err := y.open().Deploy(t.Context(), act())
					if c.want == "" && (err != nil || output == "") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
						t.Errorf("%q, %v; want %q", output, err, c.want)
					}
					if n := len(y.ran()) - before; n != map[bool]int{false: 0, true: 1}[c.served] {
						t.Errorf("%d were started, after %q", n, y.Asked())
					}
				})
			}
		}
	})
}

// TestOnGitLabRepeats: what did the very same before is not taken for what was started now.
func TestOnGitLabRepeats(t *testing.T) {
	eachOnGitLab(t, func(t *testing.T, driver string) {
		y := newYard(t, driver, nil)
		back := act()
		back.Rollback, back.Version, back.Previous = true, "v1", "v2"
		if _, err := y.open().Deploy(t.Context(), back); err != nil {
			t.Fatal(err)
		}
		y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if begins(r) || strings.HasSuffix(r.URL.Path, "/graphql") && y.asked("POST /api/graphql") == 1 {
				panic(http.ErrAbortHandler)
			}
			serve(w, r)
		})
		if output, err := y.open().Deploy(t.Context(), back); err == nil || !strings.Contains(err.Error(), "GitLab did not answer whether it has started") {
			t.Errorf("%q, %v", output, err)
		}
	})
}

// TestOnGitLabStale: a look that is out of date and shows a job as not yet played is none.
func TestOnGitLabStale(t *testing.T) {
	y := newYard(t, "gitlab-job", nil)
	looks := 0
	y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.HasSuffix(r.URL.Path, "/jobs/2") {
			if looks++; looks == 1 {
				fmt.Fprint(w, `{"id":2,"name":"deploy use1-a","status":"manual"}`)
				return
			}
		}
		serve(w, r)
	})
	if output, err := y.open().Deploy(t.Context(), act()); err != nil || looks != 2 {
		t.Errorf("%q, %v after %d looks", output, err, looks)
	}
}

// TestOnGitLabAdopts: after a crash, what an earlier attempt has left going is neither doubled nor let run beside
// something else.
func TestOnGitLabAdopts(t *testing.T) {
	again, back, older := act(), act(), act()
	again.Attempt = 2
	back.Rollback, back.Version, back.Previous = true, "v1", "v2"
	older.Rollout = "shop-production-6"
	other := act()
	other.Rollout = "web-production-7"
	for name, c := range map[string]struct {
		left     core.Act
		stubborn bool
		over     bool
		strange  bool // somebody else has started it
		now      core.Act
		runs     int
		first    string            // how the first one has ended
		want     map[string]string // the error, by driver
	}{
		"the same goes on":             {left: act(), now: again, runs: 1, first: "success"},
		"the same has ended":           {left: act(), over: true, now: again, runs: 2, first: "failed"},
		"a deploy, and now back":       {left: act(), now: back, runs: 2, first: "canceled"},
		"the way back goes on":         {left: back, now: back, runs: 1, first: "success"},
		"an older rollout of the line": {left: older, now: back, runs: 2, first: "canceled"},
		"a deploy that cannot be ended": {left: act(), stubborn: true, now: back, runs: 1, first: "running", want: map[string]string{
			"gitlab-job": "an earlier job is still at work on use1-a: nobody knows that it has stopped: see to that at http", "gitlab-pipeline": "an earlier pipeline is still at work on use1-a: nobody knows that it has stopped: see to that at http"}},
		"another line":         {left: other, now: again, runs: 2, first: "running", want: map[string]string{"gitlab-job": "is running, and not by this rollout"}},
		"nobody knows by whom": {left: act(), strange: true, now: again, runs: 1, first: "running", want: map[string]string{"gitlab-pipeline": "nobody knows whose pipeline goes on: "}},
	} {
		eachOnGitLab(t, func(t *testing.T, driver string) {
			t.Run(name, func(t *testing.T) {
				if c.strange && driver == "gitlab-job" {
					return
				}
				y := newYard(t, driver, nil)
				if _, err := y.open().Deploy(t.Context(), c.left); err != nil {
					t.Fatal(err)
				}
				status := map[bool]string{false: "running", true: "failed"}[c.over]
				y.Look(func(s *gitlabtest.State) {
					for i := range s.Pipelines {
						if p := &s.Pipelines[i]; p.Source == "api" {
							p.Status, p.Stubborn = status, c.stubborn
							p.By = map[bool]int{false: gitlabtest.Me, true: 5}[c.strange]
						}
					}
					if s.Jobs[1].Variables != nil {
						s.Jobs[1].Status, s.Jobs[1].Stubborn = status, c.stubborn
					}
				})
				if c.first == "success" {
					looks := 0
					y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
						if looks++; looks == 3 { // a list, its variables, then it ends
							y.end("success")
						}
						serve(w, r)
					})
				}
				_, err := y.open().Deploy(t.Context(), c.now)
				want := c.want[driver]
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%v; want %q", err, want)
				}
				runs := c.runs
				if want != "" {
					runs = 1
				}
				if all := y.ran(); len(all) != runs || all[0].status != c.first {
					t.Errorf("%+v after %q", all, y.Asked())
				} else if want == "" && all[len(all)-1].variables["BREAKWATER_VERSION"] != c.now.Version {
					t.Errorf("the last one was given %v", all[len(all)-1].variables)
				}
			})
		})
	}
}

// TestOnGitLabCutOff: what was cut off is cancelled; what could not be confirmed is said.
func TestOnGitLabCutOff(t *testing.T) {
	forbids := func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.HasSuffix(r.URL.Path, "/cancel") {
			answers(http.StatusForbidden, "403 Forbidden")(w, r, serve)
			return
		}
		serve(w, r)
	}
	for name, c := range map[string]struct {
		stubborn bool
		lost     bool // the answer to the start
		meddle   gitlabtest.Meddler
		status   string
		wants    []string
	}{
		"cancelled":               {status: "canceled", wants: []string{"stopped: context canceled, while its ", "; it ended as canceled: http"}},
		"it does not stop":        {stubborn: true, status: "running", wants: []string{"before anything else is put on use1-a: nobody knows that it has stopped: see to that at http"}},
		"it may not be cancelled": {meddle: forbids, status: "running", wants: []string{"nobody knows that it has stopped", "does not cancel it: 403 Forbidden (403)"}},
		"while it is started":     {lost: true, status: "canceled", wants: []string{"stopped: context canceled, while its ", "it ended as canceled"}},
	} {
		eachOnGitLab(t, func(t *testing.T, driver string) {
			t.Run(name, func(t *testing.T) {
				y := newYard(t, driver, func(map[string]string) (string, string) { return "running", "" })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				y.timeout = 0
				y.Look(func(s *gitlabtest.State) {
					starts, plays := s.Starts, s.Plays
					s.Starts = func(p *gitlabtest.Pipeline) { starts(p); p.Stubborn = c.stubborn }
					s.Plays = func(j *gitlabtest.Job) { plays(j); j.Stubborn = c.stubborn }
				})
				var started atomic.Bool
				y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
					if begins(r) && c.lost {
						serve(new(deaf), r)
						cancel()
						panic(http.ErrAbortHandler)
					}
					if c.meddle != nil {
						c.meddle(w, r, serve)
					} else {
						serve(w, r)
					}
					if started.Load() && r.Method == http.MethodGet {
						cancel()
					}
					if begins(r) {
						started.Store(true)
					}
				})
				output, err := y.open().Deploy(ctx, act())
				for _, want := range c.wants {
					if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, context.Canceled) {
						t.Errorf("%q, %v; want %q", output, err, want)
					}
				}
				if all := y.ran(); len(all) != 1 || all[0].status != c.status {
					t.Errorf("%+v after %q", all, y.Asked())
				}
			})
		})
	}
	eachOnGitLab(t, func(t *testing.T, driver string) {
		y := newYard(t, driver, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := y.open().Deploy(ctx, act()); err == nil || !strings.HasPrefix(err.Error(), "stopped: context canceled: ") || len(y.ran()) != 0 {
			t.Errorf("%v after %q", err, y.Asked())
		}
	})
}

// TestOnGitLabRaces: a job that somebody plays at the same moment runs with their variables, so that is ended.
func TestOnGitLabRaces(t *testing.T) {
	y := newYard(t, "gitlab-job", nil)
	y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if begins(r) {
			y.Look(func(s *gitlabtest.State) {
				s.Plays = nil
				s.Jobs[1].Status = "success"
			})
		}
		serve(w, r)
	})
	if _, err := y.open().Deploy(t.Context(), act()); err == nil || !strings.Contains(err.Error(), `somebody else has played the job "deploy use1-a"`) {
		t.Error(err)
	}
	y.Look(func(s *gitlabtest.State) {
		if j := s.Jobs[len(s.Jobs)-1]; j.Status != "canceled" || len(y.version) != 0 {
			t.Errorf("%+v, %v", j, y.version)
		}
	})
}

// TestOnGitLabForeign: a job that somebody plays while nobody knows whether ours was started is not taken for ours.
func TestOnGitLabForeign(t *testing.T) {
	y := newYard(t, "gitlab-job", nil)
	y.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if begins(r) {
			y.jobIs("success", nil)
			panic(http.ErrAbortHandler)
		}
		serve(w, r)
	})
	if output, err := y.open().Deploy(t.Context(), act()); err == nil || !strings.Contains(err.Error(), "GitLab did not answer whether it has started") {
		t.Errorf("%q, %v", output, err)
	}
}

// TestOnGitLabOpen: which project, ref and pipeline, and what is said where that is not known.
func TestOnGitLabOpen(t *testing.T) {
	for name, c := range map[string]struct {
		driver  string
		options core.Pipeline
		env     map[string]string
		want    string // the error; empty: none
	}{
		"branch":               {},
		"tag":                  {env: map[string]string{"CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1"}},
		"named":                {options: core.Pipeline{Project: "acme/infra", Ref: "main"}, env: map[string]string{"CI_PROJECT_PATH": ""}},
		"merge request":        {env: map[string]string{"CI_COMMIT_BRANCH": ""}, want: "which branch or tag of acme/shop does the pipeline run on?"},
		"another, no ref":      {options: core.Pipeline{Project: "acme/infra"}, want: "which branch or tag of acme/infra"},
		"outside":              {options: core.Pipeline{Ref: "main"}, env: map[string]string{"CI_PROJECT_PATH": ""}, want: "which project has the pipeline?"},
		"the job's token":      {env: map[string]string{"BREAKWATER_TOKEN": ""}, want: "the job's own token can neither cancel a pipeline nor tell whose it is: set BREAKWATER_TOKEN"},
		"without end":          {env: map[string]string{core.MarkVariable: "x"}, want: "would start pipelines without end"},
		"a chain of projects":  {options: core.Pipeline{Project: "acme/infra", Ref: "main"}, env: map[string]string{core.MarkVariable: "x"}},
		"job":                  {driver: "gitlab-job"},
		"job outside":          {driver: "gitlab-job", env: map[string]string{"CI_PIPELINE_ID": ""}, want: "it works in GitLab CI only"},
		"job, the job's token": {driver: "gitlab-job", env: map[string]string{"BREAKWATER_TOKEN": ""}, want: "can neither cancel a job"},
	} {
		y := newYard(t, cmp.Or(c.driver, "gitlab-pipeline"), nil)
		if c.driver == "" {
			y.options = &c.options
		}
		maps.Copy(y.env, c.env)
		_, err := y.tryOpen()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	for _, options := range []any{nil, core.Pipeline{}, (*core.Pipeline)(nil), (*core.ManualJob)(nil)} {
		for _, driver := range onGitLab {
			if _, err := deploy.Open(driver, options, deploy.Env{}); err == nil {
				t.Errorf("options %#v were taken", options)
			}
		}
	}
}
