package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

func onGitHub(forge *githubtest.Server) Env { return Env{Environ: forge.Environ(), Clock: clock{}} }

// TestGitHubAndGitAreOneFormat writes by turns through the API and through git: the history that each leaves behind is the
// same to the byte.
func TestGitHubAndGitAreOneFormat(t *testing.T) {
	t.Parallel()
	forge, pure := githubtest.New(t), bare(t)
	api, git, alone := open(t, "github:", onGitHub(forge)), open(t, "git:"+forge.Dir, env(t.TempDir())), open(t, "git:"+pure, env(t.TempDir()))
	events := ledgertest.Rollout("r1", 0, 40)
	events[7].Reason = strings.Repeat("a long story\n", 10_000) // a segment is full then
	for i, e := range events {
		writer := []core.Ledger{api, git}[i%2]
		add(t, writer, e.Seq-1, e)
		add(t, alone, e.Seq-1, e)
	}
	for name, l := range map[string]core.Ledger{"github": api, "git": git} {
		if n := length(t, l); n != len(events) {
			t.Errorf("%s has %d events", name, n)
		}
	}
	for _, ask := range [][]string{{"rev-parse", refOf(line)}, {"ls-tree", "-r", refOf(line)}} {
		if got, want := forge.Git(ask...), gitIn(t, pure, ask...); got != want {
			t.Errorf("%v: written by turns\n%swritten by git alone\n%s", ask, got, want)
		}
	}
}

// TestGitHubThrift counts the requests: they must not grow with the history or with the number of targets.
func TestGitHubThrift(t *testing.T) {
	t.Parallel()
	forge := githubtest.New(t)
	asks := func(do func()) int {
		before := len(forge.Asked())
		do()
		return len(forge.Asked()) - before
	}
	l := open(t, "github:", onGitHub(forge))
	if n := asks(func() { add(t, l, 0, ledgertest.Rollout("r1", 0, 500)...) }); n != 4 {
		t.Errorf("the first append takes %d requests; want 4", n)
	}
	if n := asks(func() { add(t, l, 500, ledgertest.Rollout("r2", 500, 1)...) }); n != 3 {
		t.Errorf("another append takes %d requests; want 3", n)
	}
	if n := asks(func() {
		if _, err := l.Read(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}); n != 1 {
		t.Errorf("a look at what is known takes %d requests; want 1", n)
	}
	cold := open(t, "github:", onGitHub(forge))
	if n := asks(func() {
		if _, err := cold.Read(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}); n != 4 {
		t.Errorf("the first look of a process takes %d requests; want 4", n)
	}
}

// A fault is what goes wrong with the nth request of a kind.
type fault struct {
	method, path string // part of the path
	do           func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)
}

// meddle lets a fault happen a number of times.
func meddle(forge *githubtest.Server, f fault, times int) { forge.Meddle(f.happens(times)) }

// happens answers requests with the fault a number of times, and lets all others through.
func (f fault) happens(times int) func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		mu.Lock()
		hit := r.Method == f.method && strings.Contains(r.URL.Path, f.path) && times > 0
		if hit {
			times--
		}
		mu.Unlock()
		if !hit {
			serve(w, r)
			return
		}
		f.do(w, r, serve)
	}
}

func says(status int, header ...string) func(http.ResponseWriter, *http.Request, http.HandlerFunc) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		for _, h := range header {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"message":"as the test wants it"}`)
	}
}

// drop closes the connection, before or after the request was served.
func drop(served bool) func(http.ResponseWriter, *http.Request, http.HandlerFunc) {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if served {
			serve(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler)
	}
}

// torn sends half of the answer.
func torn(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	whole := httptest.NewRecorder()
	serve(whole, r)
	w.Header().Set("Content-Length", fmt.Sprint(whole.Body.Len()))
	w.WriteHeader(whole.Code)
	w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// TestGitHubFaults: whatever goes wrong on the way, an append is in the ledger once, or not at all with an error.
func TestGitHubFaults(t *testing.T) {
	reset := fmt.Sprint("X-RateLimit-Reset: ", time.Now().Add(time.Hour).Unix())
	passing := map[string]func(http.ResponseWriter, *http.Request, http.HandlerFunc){
		"500":                       says(500),
		"502":                       says(502),
		"429":                       says(429),
		"primary rate limit":        says(403, "X-RateLimit-Remaining: 0", reset),
		"secondary rate limit":      says(403, "Retry-After: 60"),
		"connection lost before":    drop(false),
		"connection lost after":     drop(true),
		"an answer that is cut off": torn,
	}
	steps := []fault{{method: "GET", path: "/git/matching-refs/"}, {method: "GET", path: "/git/commits/"}, {method: "GET", path: "/git/trees/"}, {method: "GET", path: "/git/blobs/"},
		{method: "POST", path: "/git/trees"}, {method: "POST", path: "/git/commits"}, {method: "PATCH", path: "/git/refs/"}}
	for name, do := range passing {
		for _, at := range steps {
			t.Run(name+" at "+at.method+at.path, func(t *testing.T) {
				t.Parallel()
				forge := githubtest.New(t)
				add(t, open(t, "github:", onGitHub(forge)), 0, ledgertest.Rollout("r1", 0, 2)...)
				at.do = do
				meddle(forge, at, 2)
				l := open(t, "github:", onGitHub(forge))
				add(t, l, 2, core.Event{Seq: 3, Type: core.EventReleased, Rollout: "r1", Actor: "x"})
				if n := length(t, open(t, "github:", onGitHub(forge))); n != 3 {
					t.Errorf("the line has %d events; want 3", n)
				}
			})
		}
	}
}

func TestGitHubRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  []string
	}{
		{"401", fault{"GET", "/git/matching-refs/", says(401)}, []string{"octo/shop", "token is wrong or has expired"}},
		{"no right to see", fault{"GET", "/git/matching-refs/", says(404)}, []string{"permissions: {contents: read}", "(404)"}},
		{"no right to write", fault{"PATCH", "/git/refs/", says(403)}, []string{"permissions: {contents: write}", "as the test wants it (403)"}},
		{"a rule on the ref", fault{"PATCH", "/git/refs/", says(422)}, []string{"move refs/breakwater/checkout/production", "(422)"}},
		{"down", fault{"POST", "/git/trees", says(503)}, []string{"take a tree", "(503)"}},
		{"gone", fault{"POST", "/git/commits", drop(false)}, []string{"could not be asked to take a commit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			forge := githubtest.New(t)
			add(t, open(t, "github:", onGitHub(forge)), 0, ledgertest.Rollout("r1", 0, 2)...)
			meddle(forge, c.fault, 1000)
			err := open(t, "github:", onGitHub(forge)).Append(t.Context(), line, 2, []core.Event{{Seq: 3, Type: core.EventReleased, Rollout: "r1", Actor: "x"}})
			wantError(t, err, c.want...)
			if errors.Is(err, core.ErrConflict) {
				t.Error("it is taken for a conflict")
			}
			forge.Meddle(nil)
			if n := length(t, open(t, "github:", onGitHub(forge))); n != 2 {
				t.Errorf("the line has %d events; want 2", n)
			}
		})
	}
}

// TestGitHubLostAnswer: the ref was moved, nobody was told, and somebody else wrote since.
func TestGitHubLostAnswer(t *testing.T) {
	t.Parallel()
	forge := githubtest.New(t)
	other := open(t, "github:", onGitHub(forge))
	add(t, other, 0, ledgertest.Rollout("r1", 0, 1)...)
	mine := core.Event{Seq: 2, Type: core.EventReleased, Rollout: "r1", Actor: "me"}
	meddle(forge, fault{"PATCH", "/git/refs/", func(_ http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		serve(httptest.NewRecorder(), r)
		if _, err := other.Read(t.Context(), line); err != nil {
			t.Error(err)
		}
		if err := other.Append(context.Background(), line, 2, []core.Event{{Seq: 3, Type: core.EventReleased, Rollout: "r1", Actor: "other"}}); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	}}, 1)
	if err := open(t, "github:", onGitHub(forge)).Append(t.Context(), line, 1, []core.Event{mine}); err != nil {
		t.Errorf("Append: %v; want none, the event is there", err)
	}
	if n := length(t, other); n != 3 {
		t.Errorf("the line has %d events; want 3", n)
	}
}

func TestGitHubCorrupt(t *testing.T) {
	for name, c := range map[string]struct{ tree, want string }{
		"another file": {"100644 blob %s\tREADME.md", "000/000.jsonl of octo/shop: it is missing"},
		"not our text": {"100644 blob %s\t000.jsonl", "000/000.jsonl of octo/shop: it is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forge := githubtest.New(t)
			file := strings.TrimSpace(forge.Git("hash-object", "-w", "--stdin"))
			tree := strings.TrimSpace(forge.GitIn(fmt.Sprintf(c.tree+"\n", file), "mktree"))
			commit := strings.TrimSpace(forge.Git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-m", "x", tree))
			forge.Git("update-ref", refOf(line), commit)
			_, err := open(t, "github:", onGitHub(forge)).Read(t.Context(), line)
			wantError(t, err, "corrupt", c.want)
		})
	}
}

func TestGitHubNeedsARepositoryAndAToken(t *testing.T) {
	for _, c := range []struct {
		url     string
		environ []string
		want    string
	}{
		{"github:", []string{"GITHUB_TOKEN=x"}, "which repository?"},
		{"github:octo", []string{"GITHUB_TOKEN=x"}, "write OWNER/NAME"},
		{"github:octo/..", []string{"GITHUB_TOKEN=x"}, "write OWNER/NAME"},
		{"github:octo/shop", nil, "there is no token for GitHub: set GITHUB_TOKEN"},
		{"github:octo/shop", []string{"GITHUB_TOKEN=x", "GITHUB_API_URL=nowhere"}, `GITHUB_API_URL is "nowhere"`},
	} {
		_, err := Open(t.Context(), c.url, Env{Environ: c.environ, Clock: clock{}})
		wantError(t, err, c.want)
	}
	forge := githubtest.New(t)
	elsewhere := slices.DeleteFunc(forge.Environ(), func(v string) bool { return strings.HasPrefix(v, "GITHUB_REPOSITORY=") })
	add(t, open(t, "github:"+githubtest.Repository, Env{Environ: elsewhere, Clock: clock{}}), 0, ledgertest.Rollout("r1", 0, 1)...)
}
