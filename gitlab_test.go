package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/gitlab"
)

// A project is one on the fake GitLab whose jobs run Breakwater in a folder that is no clone.
type project struct {
	*gitlabtest.Server
	t   *testing.T
	dir string
	job int
}

func newProject(t *testing.T) *project {
	p := &project{Server: gitlabtest.New(t), t: t, dir: t.TempDir()}
	p.write("breakwater.yaml", shownPlan)
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// pipeline starts one for a new commit.
func (p *project) pipeline(id int) (sha string) {
	sha = strings.TrimSpace(p.Git("commit-tree", "-p", "main", "-m", fmt.Sprint("for pipeline ", id), "main^{tree}"))
	p.Git("update-ref", "refs/heads/main", sha)
	p.Look(func(s *gitlabtest.State) {
		s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: id, SHA: sha, Ref: "main", Source: "push", Status: "running"})
	})
	return sha
}

// run is a job of a pipeline, a new one each time. It returns all that the job printed.
func (p *project) run(want, pipeline int, sha string, args ...string) string {
	p.t.Helper()
	p.job++
	var out output
	environ := append(os.Environ(), p.Environ()...)
	environ = append(environ, "GITLAB_CI=true", "GITLAB_USER_LOGIN=ada", "CI_JOB_NAME=deploy", fmt.Sprint("CI_JOB_ID=", 4000+p.job), "CI_COMMIT_SHA="+sha,
		fmt.Sprint("CI_PIPELINE_ID=", pipeline), "CI_COMMIT_REF_NAME=main", "CI_COMMIT_BRANCH=main", "BREAKWATER_DOTENV="+filepath.Join(p.dir, "breakwater.env"))
	forge, ok := gitlab.New(environ, &out, &out, command.WallClock{})
	if !ok || forge.Err() != nil {
		p.t.Fatal(forge.Err())
	}
	text := forge.Writer(&out)
	env := command.Env{Stdout: text, Stderr: text, Environ: gitlab.Environ(environ), Dir: p.dir, Forge: forge}
	if code := command.Main(p.t.Context(), args, env); code != want {
		p.t.Fatalf("exit code %d, want %d:\n%s", code, want, out.String())
	}
	for _, token := range []string{gitlabtest.Token, gitlabtest.JobToken} {
		if strings.Contains(out.String(), token) {
			p.t.Errorf("the job prints a token:\n%s", out.String())
		}
	}
	return out.String()
}

// shows is what the newest status of a commit says.
func (p *project) shows(sha, want string) {
	p.t.Helper()
	p.Look(func(s *gitlabtest.State) {
		i := slices.IndexFunc(s.Statuses, func(st gitlabtest.Status) bool { return st.SHA == sha })
		if i < 0 || s.Statuses[i].State != want {
			p.t.Errorf("the statuses are %+v; want %s on %s", s.Statuses, want, sha)
		}
	})
}

// TestGitLab: releases go out, go back, are halted, and go on by a retry of their job; an old pipeline's job that is run
// again is a new rollout of the old version. Each job has its own process, and both ledgers hold what they did.
func TestGitLab(t *testing.T) {
	for _, ledger := range []string{"git:", "gitlab:"} {
		t.Run(strings.TrimSuffix(ledger, ":"), func(t *testing.T) {
			p := newProject(t)
			v1 := p.pipeline(101)
			p.run(core.ExitDone, 101, v1, "run", "--first-release", "--ledger", ledger)
			p.shows(v1, "success")

			v2 := p.pipeline(102)
			p.write("bad-"+v2, "")
			p.run(core.ExitRolledBack, 102, v2, "run", "--ledger", ledger)
			p.shows(v2, "failed")

			v3 := p.pipeline(103)
			p.write("down", "")
			p.run(core.ExitHalted, 103, v3, "run", "--ledger", ledger)
			p.shows(v3, "failed")
			if err := os.Remove(filepath.Join(p.dir, "down")); err != nil {
				t.Fatal(err)
			}
			if said := p.run(core.ExitDone, 103, v3, "run", "--ledger", ledger); !strings.Contains(said, "Going on with rollout shop-production-3") {
				t.Errorf("a retry says\n%s", said)
			}
			p.shows(v3, "success")

			if said := p.run(core.ExitDone, 101, v1, "run", "--ledger", ledger); !strings.Contains(said, "Rollout shop-production-4: version "+v1) {
				t.Errorf("a job of the old pipeline says\n%s", said)
			}
			p.shows(v1, "success")
			if said := p.run(core.ExitDone, 103, v3, "doctor", "--ledger", ledger); !strings.Contains(said, "BREAKWATER_TOKEN has the scope api") {
				t.Errorf("the doctor says\n%s", said)
			}
		})
	}
}

// TestGitLabGate: the gate shows on the open merge requests, in the pipelines that they look at.
func TestGitLabGate(t *testing.T) {
	p := newProject(t)
	v1 := p.pipeline(101)
	topic := strings.TrimSpace(p.Git("commit-tree", "-p", "main", "-m", "a change", "main^{tree}"))
	p.Look(func(s *gitlabtest.State) {
		s.Pipelines = append(s.Pipelines, gitlabtest.Pipeline{ID: 200, SHA: topic, Ref: "refs/merge-requests/7/head", Source: "merge_request_event"})
		s.Merges = []gitlabtest.MergeRequest{{IID: 7, SHA: topic, Into: "main", Pipeline: 200}}
	})
	p.write("down", "")
	p.run(core.ExitDone, 101, v1, "gate", "--sync")
	p.shows(topic, "success")
	p.run(core.ExitHalted, 101, v1, "run", "--first-release")
	p.run(core.ExitDone, 101, v1, "gate", "--sync")
	p.shows(topic, "failed")
	before := len(p.Asked())
	p.run(core.ExitDone, 101, v1, "gate", "--sync")
	for _, asked := range p.Asked()[before:] {
		if strings.HasPrefix(asked, "POST") {
			t.Errorf("what shows already is set again: %s", asked)
		}
	}
}

// TestGitLabFreeze: in a freeze period of the project no wave starts and no change enters, whatever the plan says; an
// emergency passes. One question does for a job.
func TestGitLabFreeze(t *testing.T) {
	p := newProject(t)
	p.write("breakwater.yaml", shownPlan+"emergency: {min_bake: 1s}\n")
	v1 := p.pipeline(101)
	freeze := func(periods ...gitlabtest.FreezePeriod) { p.Look(func(s *gitlabtest.State) { s.Freezes = periods }) }
	freeze(gitlabtest.FreezePeriod{Start: "0 0 1 * *", End: "0 0 1 1 *", Zone: "Europe/Dublin"}) // most of the year, and the rest
	const why = `a freeze (GitLab's freeze period from "0 0 1 * *" to "0 0 1 1 *" Europe/Dublin), until `
	if said := p.run(core.ExitBlocked, 101, v1, "run", "--first-release"); !strings.Contains(said, "Blocked: wave first may not start") || !strings.Contains(said, why) {
		t.Errorf("it says\n%s", said)
	}
	if said := p.run(core.ExitBlocked, 101, v1, "gate"); !strings.Contains(said, "shop/production is frozen: "+why) {
		t.Errorf("the gate says\n%s", said)
	}
	freeze(gitlabtest.FreezePeriod{Start: "a day", End: "0 0 1 1 *"})
	if said := p.run(core.ExitBlocked, 101, v1, "run", "--first-release"); !strings.Contains(said, "Blocked: nobody knows whether wave first may start: GitLab's freeze period") {
		t.Errorf("of one that cannot be read it says\n%s", said)
	}
	if said := p.run(core.ExitBlocked, 101, v1, "gate"); !strings.Contains(said, "Nobody knows whether shop/production is in a freeze") {
		t.Errorf("the gate says of it\n%s", said)
	}
	p.run(core.ExitDone, 101, v1, "run", "--first-release", "--emergency", "--reason", "the shop is down")
	freeze(gitlabtest.FreezePeriod{Start: "0 0 30 2 *", End: "0 0 1 1 *"})
	before, v2 := len(p.Asked()), p.pipeline(102)
	p.run(core.ExitDone, 102, v2, "run")
	asked := slices.DeleteFunc(p.Asked()[before:], func(asked string) bool { return asked != "GET /freeze_periods" })
	if len(asked) != 1 {
		t.Errorf("freeze periods were asked for %d times", len(asked))
	}
}

// TestGitLabStatusCheck: an external status check gets the gate's answer, also one that is as before; where GitLab has none
// the gate works as ever.
func TestGitLabStatusCheck(t *testing.T) {
	p := newProject(t)
	v1 := p.pipeline(101)
	p.Look(func(s *gitlabtest.State) { s.Merges = []gitlabtest.MergeRequest{{IID: 7, SHA: v1, Into: "main"}} })
	if said := p.run(core.ExitDone, 101, v1, "gate", "--sync", "--status-check", "5"); !strings.Contains(said, "takes no answer for external status check 5") {
		t.Errorf("it says\n%s", said)
	}
	p.Look(func(s *gitlabtest.State) { s.Checks = []int{5} })
	p.run(core.ExitDone, 101, v1, "gate", "--sync", "--status-check", "5")
	p.write("breakwater.yaml", "no plan")
	p.run(core.ExitUsage, 101, v1, "gate", "--sync", "--status-check", "-1")
	p.write("breakwater.yaml", shownPlan)
	p.write("down", "")
	p.run(core.ExitHalted, 101, v1, "run", "--first-release")
	p.run(core.ExitDone, 101, v1, "gate", "--sync", "--status-check", "5")
	p.Look(func(s *gitlabtest.State) {
		want := []gitlabtest.Answer{{IID: 7, Check: 5, SHA: v1, Status: "passed"}, {IID: 7, Check: 5, SHA: v1, Status: "failed"}}
		if !slices.Equal(s.Answers, want) {
			t.Errorf("the answers are %+v", s.Answers)
		}
	})
}

// TestGitLabDeployments: a rollout of two waves is one deployment, and what is out is known by it to a ledger that knows
// nothing.
func TestGitLabDeployments(t *testing.T) {
	p := newProject(t)
	v1 := p.pipeline(101)
	p.run(core.ExitDone, 101, v1, "run", "--first-release", "--deployments")
	v2 := p.pipeline(102)
	p.write("bad-"+v2, "")
	if said := p.run(core.ExitRolledBack, 102, v2, "run", "--deployments", "--ledger", "file:another"); !strings.Contains(said, "GitLab's environment shop/production says that it is "+v1) {
		t.Errorf("it says\n%s", said)
	}
	p.Look(func(s *gitlabtest.State) {
		if d := s.Deployments; len(d) != 2 || d[0].SHA != v1 || d[0].Status != "success" || d[1].SHA != v2 || d[1].Status != "failed" || d[1].Environment != "shop/production" {
			t.Errorf("the deployments are %+v", d)
		}
	})
}
