package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/actions"
	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/command"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// shownPlan goes out in two waves. A file named bad-VERSION makes the check fail in the second, one named down keeps the
// second target from being deployed.
const shownPlan = `version: 1
service: shop
environment: production
targets: [{name: a, labels: {tier: onebox}}, {name: b}]
waves: [{name: first, select: {tier: onebox}}, {name: rest, select: all}]
deploy: {run: 'test ! -e down || test "$BREAKWATER_TARGET" = a', timeout: 10s}
rollback: {when: [check]}
bake: {min: 0s, max: 0s, every: 1s}
precheck: false
checks:
  - name: smoke
    run: 'echo "::error::@all | <b> broken"; test "$BREAKWATER_WAVE" = first || test ! -e "bad-$BREAKWATER_VERSION"'
`

// A shown is a repository whose rollouts are shown on the fake GitHub.
type shown struct {
	*githubtest.Server
	t       *testing.T
	dir     string
	attempt int
}

func newShown(t *testing.T) *shown {
	s := &shown{Server: githubtest.New(t), t: t, dir: t.TempDir()}
	s.write("breakwater.yaml", shownPlan)
	return s
}

func (s *shown) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// commit makes one in the repository.
func (s *shown) commit(message string) string {
	tree := strings.TrimSpace(s.GitIn("", "mktree"))
	return strings.TrimSpace(s.Git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-m", message, tree))
}

// run is one attempt of a job for a commit. It returns all that the job printed.
func (s *shown) run(want int, at string, args ...string) string {
	s.t.Helper()
	s.attempt++
	var out output
	for _, name := range []string{"out", "summary"} {
		s.write(name, "")
	}
	environ := append(os.Environ(), s.Environ()...)
	environ = append(environ, "GITHUB_ACTIONS=true", "GITHUB_ACTOR=ada", "GITHUB_RUN_ID=7", "GITHUB_SHA="+at, fmt.Sprint("GITHUB_RUN_ATTEMPT=", s.attempt),
		"GITHUB_OUTPUT="+filepath.Join(s.dir, "out"), "GITHUB_STEP_SUMMARY="+filepath.Join(s.dir, "summary"))
	forge, ok := actions.New(environ, &out, &out, command.WallClock{})
	if !ok || forge.Err() != nil {
		s.t.Fatal(forge.Err())
	}
	text := actions.Text(&out)
	args = append(args, "--ledger", "file:"+filepath.Join(s.dir, ".breakwater"), "--check-run", "--deployments", "--environment-url", "https://shop.example.com")
	if code := command.Main(s.t.Context(), args, command.Env{Stdout: text, Stderr: text, Environ: environ, Dir: s.dir, Forge: forge}); code != want {
		s.t.Fatalf("exit code %d, want %d:\n%s", code, want, out.String())
	}
	return out.String()
}

// of says of each check run and each deployment of a commit how it stands.
func (s *shown) of(at string) (all []string) {
	s.Look(func(state *githubtest.State) {
		for _, c := range state.Checks {
			if c.SHA == at {
				all = append(all, strings.TrimSuffix(c.Status+" "+c.Conclusion, " "))
			}
		}
		for _, d := range state.Deployments {
			if d.SHA == at {
				all = append(all, d.Task+" "+d.Statuses[len(d.Statuses)-1].State)
			}
		}
	})
	return all
}

func (s *shown) is(at string, want ...string) {
	s.t.Helper()
	if got := s.of(at); !slices.Equal(got, want) {
		s.t.Errorf("the commit shows %q; want %q", got, want)
	}
}

// TestShown: what GitHub shows of releases that go out, go back, are halted and go on in another process.
func TestShown(t *testing.T) {
	s := newShown(t)
	v1, v2, v3 := s.commit("one"), s.commit("two"), s.commit("three")
	s.run(core.ExitDone, v1, "run", "--first-release")
	s.is(v1, "completed success", "deploy:first inactive", "deploy:rest success")

	s.write("bad-"+v2, "")
	s.run(core.ExitRolledBack, v2, "run")
	s.is(v2, "completed failure", "deploy:first inactive", "deploy:rest failure")
	s.is(v1, "completed success", "deploy:first inactive", "deploy:rest success")
	s.Look(func(state *githubtest.State) {
		c := state.Checks[1]
		i := slices.IndexFunc(c.Notes, func(n githubtest.Note) bool { return n.Title == "Check smoke: fail" })
		if i < 0 || c.Notes[i].Line != 11 || c.Notes[i].Path != "breakwater.yaml" || c.Notes[i].Level != "failure" || strings.HasPrefix(c.Notes[i].Message, "::") {
			t.Errorf("the notes are %+v", c.Notes)
		}
		if !strings.HasPrefix(c.Title, "rolled-back: ") || strings.Contains(c.Summary, "@all") || strings.Contains(c.Summary, "<b>") {
			t.Errorf("%s\n%s", c.Title, c.Summary)
		}
	})

	s.write("down", "")
	s.run(core.ExitHalted, v3, "run")
	s.is(v3, "completed action_required", "deploy:first success", "deploy:rest failure")
	if err := os.Remove(filepath.Join(s.dir, "down")); err != nil {
		t.Fatal(err)
	}
	s.run(core.ExitDone, v3, "run")
	s.is(v3, "completed action_required", "completed success", "deploy:first inactive", "deploy:rest success")
	s.is(v1, "completed success", "deploy:first inactive", "deploy:rest inactive")

	s.run(core.ExitDone, v3, "rollback", "--reason", "wrong prices")
	s.is(v3, "completed action_required", "completed success", "completed failure", "deploy:first inactive", "deploy:rest inactive")
}

// TestShownWithoutPermission: a job that may not write there says so once for each, and the rollout goes on.
func TestShownWithoutPermission(t *testing.T) {
	s := newShown(t)
	s.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.Contains(r.URL.Path, "/check-runs") || strings.Contains(r.URL.Path, "/deployments") {
			w.WriteHeader(http.StatusForbidden)
			w.Write([]byte(`{"message":"Resource not accessible by integration"}`))
			return
		}
		serve(w, r)
	})
	said := s.run(core.ExitDone, s.commit("one"), "run", "--first-release")
	for _, permission := range []string{"checks: write", "deployments: write"} {
		if n := strings.Count(said, permission); n != 1 {
			t.Errorf("%q is said %d times:\n%s", permission, n, said)
		}
	}
}

// TestShownVersion: a version that is no commit is no deployment, and that is said once.
func TestShownVersion(t *testing.T) {
	s := newShown(t)
	at := s.commit("one")
	said := s.run(core.ExitDone, at, "run", "--first-release", "--version", "1.4.2")
	s.is(at, "completed success")
	if n := strings.Count(said, "1.4.2 is no commit"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, said)
	}
}

// TestPreviousFromDeployments: where the ledger knows no version, the deployment that is active does; the ledger goes
// before it.
func TestPreviousFromDeployments(t *testing.T) {
	s := newShown(t)
	theirs, v1, v2 := s.commit("theirs"), s.commit("one"), s.commit("two")
	s.run(core.ExitUsage, v1, "run")
	active := func(at string) {
		s.Look(func(state *githubtest.State) {
			state.Deployments = append(state.Deployments, githubtest.Deployment{ID: 5, SHA: at, Environment: "shop/production", Task: "deploy", Payload: "",
				Statuses: []githubtest.DeploymentStatus{{State: "success"}}})
		})
	}
	active(theirs)
	said := s.run(core.ExitDone, v1, "run")
	if want := "Deployment 5 of GitHub's environment shop/production says that it is " + theirs; !strings.Contains(said, want) || !strings.Contains(said, "Previous version: "+theirs) {
		t.Errorf("want %q in:\n%s", want, said)
	}
	active(theirs)
	if said := s.run(core.ExitDone, v2, "run"); !strings.Contains(said, "Previous version: "+v1) {
		t.Errorf("the ledger is not believed:\n%s", said)
	}
}

// TestEnvironmentURL: what is shown to everybody is a URL that people can open, without a secret.
func TestEnvironmentURL(t *testing.T) {
	for _, url := range []string{"http://shop.example.com", "javascript:alert(1)", "https://ada:secret@shop.example.com", "shop"} {
		code, out := call(t, newcomer(t), "run", "--environment-url", url)
		if code != core.ExitUsage || !strings.Contains(out, "must be an https URL") {
			t.Errorf("%s: exit code %d:\n%s", url, code, out)
		}
	}
}
