package ledger

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

func onGitLab(forge *gitlabtest.Server) Env { return Env{Environ: forge.Environ(), Clock: clock{}} }

// again is an event that may follow the first n of a rollout.
func again(n int64) core.Event {
	return core.Event{Seq: n + 1, Type: core.EventReleased, Rollout: "r1", Actor: "x"}
}

// TestGitLabRace: GitLab looks at a file's last commit, and only then commits. A writer that gets in between must not be
// overwritten.
func TestGitLabRace(t *testing.T) {
	t.Parallel()
	forge := gitlabtest.New(t)
	l, other := open(t, "gitlab:", onGitLab(forge)), open(t, "gitlab:", onGitLab(forge))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	theirs := again(2)
	theirs.Actor = "somebody else"
	forge.Race(func() { add(t, other, 2, theirs) })
	if err := l.Append(t.Context(), line, 2, []core.Event{again(2)}); !errors.Is(err, core.ErrConflict) {
		t.Errorf("%v; want a conflict", err)
	}
	forge.Race(func() { // a commit to another line is no conflict
		apart := core.Line{Service: "other", Environment: "production"}
		if err := other.Append(t.Context(), apart, 0, ledgertest.Rollout("r1", 0, 1)); err != nil {
			t.Error(err)
		}
	})
	add(t, l, 3, again(3))
	if n := length(t, other); n != 4 {
		t.Errorf("the line has %d events; want 4", n)
	}
}

// TestGitLabThrift counts the requests: they must not grow with the history or with the number of targets.
func TestGitLabThrift(t *testing.T) {
	t.Parallel()
	forge := gitlabtest.New(t)
	asks := func(what string, want int, do func()) {
		t.Helper()
		before := len(forge.Asked())
		if do(); len(forge.Asked())-before != want {
			t.Errorf("%s takes the requests %v; want %d", what, forge.Asked()[before:], want)
		}
	}
	read := func(l *guard) {
		if _, err := l.Read(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, "gitlab:", onGitLab(forge))
	asks("the first append", 3, func() { add(t, l, 0, ledgertest.Rollout("r1", 0, 500)...) })
	asks("another", 1, func() { add(t, l, 500, ledgertest.Rollout("r2", 500, 1)...) })
	asks("a look at what is known", 1, func() { read(l) })
	cold := open(t, "gitlab:", onGitLab(forge))
	asks("the first look of a process", 3, func() { read(cold) })
	if l.Requests() != 5 || l.Pace().Lease < time.Hour {
		t.Errorf("it says that it was %d requests, at the pace %+v", l.Requests(), l.Pace())
	}
	for subject := range strings.Lines(forge.Git("log", "--format=%B", "main..breakwater-ledger")) {
		if strings.Contains(subject, "[skip ci]") {
			return
		}
	}
	t.Error("a commit starts a pipeline")
}

// TestGitLabFaults: whatever goes wrong on the way, an append is in the ledger once, or not at all with an error.
func TestGitLabFaults(t *testing.T) {
	passing := map[string]func(http.ResponseWriter, *http.Request, http.HandlerFunc){
		"500":                       says(500),
		"502":                       says(502),
		"429":                       says(429),
		"429 that says how long":    says(429, "Retry-After: 60"),
		"429 that says until when":  says(429, fmt.Sprint("RateLimit-Reset: ", time.Now().Add(time.Hour).Unix())),
		"connection lost before":    drop(false),
		"connection lost after":     drop(true),
		"an answer that is cut off": torn,
	}
	steps := []fault{{method: "GET", path: "/repository/branches"}, {method: "GET", path: "/repository/tree"}, {method: "GET", path: "/repository/files/"},
		{method: "POST", path: "/repository/commits"}}
	for name, do := range passing {
		for _, at := range steps {
			t.Run(name+" at "+at.method+at.path, func(t *testing.T) {
				t.Parallel()
				forge := gitlabtest.New(t)
				add(t, open(t, "gitlab:", onGitLab(forge)), 0, ledgertest.Rollout("r1", 0, 2)...)
				at.do = do
				forge.Meddle(at.happens(2))
				add(t, open(t, "gitlab:", onGitLab(forge)), 2, again(2))
				if n := length(t, open(t, "gitlab:", onGitLab(forge))); n != 3 {
					t.Errorf("the line has %d events; want 3", n)
				}
			})
		}
	}
}

func TestGitLabRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  []string
	}{
		{"401", fault{"GET", "/repository/branches", says(401)}, []string{"acme/shop", "BREAKWATER_TOKEN is wrong or has expired"}},
		{"no right to see", fault{"GET", "/repository/branches", says(404)}, []string{"the scope api", "(404)"}},
		{"no right to write", fault{"POST", "/repository/commits", says(403)}, []string{"may push to the branch breakwater-ledger", "as the test wants it (403)"}},
		{"a rule on the branch", fault{"POST", "/repository/commits", says(400)}, []string{"take a commit to breakwater-ledger", "(400)"}},
		{"409", fault{"POST", "/repository/commits", says(409)}, []string{"(409)"}},
		{"down", fault{"POST", "/repository/commits", says(503)}, []string{"take a commit", "(503)"}},
		{"gone", fault{"POST", "/repository/commits", drop(false)}, []string{"could not be asked to take a commit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			forge := gitlabtest.New(t)
			add(t, open(t, "gitlab:", onGitLab(forge)), 0, ledgertest.Rollout("r1", 0, 2)...)
			forge.Meddle(c.fault.happens(1000))
			err := open(t, "gitlab:", onGitLab(forge)).Append(t.Context(), line, 2, []core.Event{again(2)})
			wantError(t, err, c.want...)
			if errors.Is(err, core.ErrConflict) {
				t.Error("it is taken for a conflict")
			}
			forge.Meddle(nil)
			if n := length(t, open(t, "gitlab:", onGitLab(forge))); n != 2 {
				t.Errorf("the line has %d events; want 2", n)
			}
		})
	}
	_, err := Open(t.Context(), "gitlab:", Env{Environ: gitlabtest.New(t).JobEnviron(), Clock: clock{}})
	wantError(t, err, "a job's own token", "BREAKWATER_TOKEN")
}

// TestGitLabLostAnswer: the commit was made, nobody was told, and somebody else wrote since.
func TestGitLabLostAnswer(t *testing.T) {
	t.Parallel()
	forge := gitlabtest.New(t)
	l, other := open(t, "gitlab:", onGitLab(forge)), open(t, "gitlab:", onGitLab(forge))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	var once sync.Once
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		lost := false
		if r.Method == http.MethodPost {
			once.Do(func() { lost = true })
		}
		if !lost {
			serve(w, r)
			return
		}
		defer add(t, other, 3, again(3))
		drop(true)(w, r, serve)
	})
	add(t, l, 2, again(2))
	forge.Meddle(nil)
	if n := length(t, open(t, "gitlab:", onGitLab(forge))); n != 4 {
		t.Errorf("the line has %d events; want 4", n)
	}
}

// TestGitLabDamage: what Breakwater did not write is an error that names the place.
func TestGitLabDamage(t *testing.T) {
	t.Parallel()
	const folder = ".breakwater-lines/checkout/production/"
	for name, c := range map[string]struct {
		put, drop string
		want      string
	}{
		"no end":     {drop: "end-0-2", want: "0 files in it say where the line ends"},
		"two ends":   {put: "end-0-3", want: "2 files in it say where the line ends"},
		"an odd end": {put: "end-0-03", want: "its name does not say where the line ends"},
		"a wrong end": {put: "end-0-1", drop: "end-0-2",
			want: "000/000.jsonl of acme/shop: it ends at event 2, and end-0-1 says another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forge := gitlabtest.New(t)
			add(t, open(t, "gitlab:", onGitLab(forge)), 0, ledgertest.Rollout("r1", 0, 2)...)
			forge.Change("breakwater-ledger", prefixed(folder, c.put), prefixed(folder, c.drop))
			_, err := open(t, "gitlab:", onGitLab(forge)).Read(t.Context(), line)
			wantError(t, err, "the ledger is corrupt: breakwater-ledger:", c.want)
		})
	}
	forge := gitlabtest.New(t)
	l := open(t, "gitlab:", onGitLab(forge))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	forge.Git("update-ref", "-d", "refs/heads/breakwater-ledger")
	_, err := l.Read(t.Context(), line)
	wantError(t, err, "went back from event 2 to 0")
}

func prefixed(folder, name string) string {
	if name == "" {
		return ""
	}
	return folder + name
}
