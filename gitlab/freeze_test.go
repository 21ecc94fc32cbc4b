package gitlab

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// TestFreezes: they are asked for once, and of a job that may not ask, what its pipeline was created in counts.
func TestFreezes(t *testing.T) {
	always := func(status int) gitlabtest.Meddler {
		return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { w.WriteHeader(status) }
	}
	times := 2
	for _, c := range []struct {
		name   string
		byJob  bool
		then   string // CI_DEPLOY_FREEZE
		meddle gitlabtest.Meddler
		frozen bool
		wants  []string // of the error
		says   int      // how often the log says that nobody knows
	}{
		{name: "asked", frozen: true},
		{name: "the variable is out of date", then: "true", frozen: true},
		{name: "the job's token, outside of a freeze", byJob: true, says: 1},
		{name: "the job's token, in one", byJob: true, then: "true", wants: []string{"created in a freeze", "the job's own token may not ask", "run a new pipeline", "BREAKWATER_TOKEN"}},
		{name: "403, outside of one", meddle: always(403), says: 1},
		{name: "403, in one", then: "true", meddle: always(403), wants: []string{"BREAKWATER_TOKEN may not ask", "the role Reporter"}},
		{name: "401", meddle: always(401), wants: []string{"does not show the freeze periods", "wrong or has expired"}},
		{name: "404", meddle: always(404), wants: []string{"does not show the freeze periods", "the scope read_api"}},
		{name: "500", meddle: always(500), wants: []string{"does not show the freeze periods", "(500)"}},
		{name: "429, for a while", frozen: true, meddle: func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if times--; times >= 0 {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			serve(w, r)
		}},
		{name: "no JSON", meddle: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { _, _ = w.Write([]byte("[{")) }, wants: []string{"could not be asked"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := gitlabtest.New(t)
			forge.Look(func(s *gitlabtest.State) {
				s.Freezes = []gitlabtest.FreezePeriod{{Start: "0 8 * * 1", End: "0 18 * * 1", Zone: "UTC"}}
			})
			forge.Meddle(c.meddle)
			environ := forge.Environ()
			if c.byJob {
				environ = forge.JobEnviron()
			}
			f, log := job(t, append(environ, "CI_DEPLOY_FREEZE="+c.then)...)
			for range 3 {
				frozen, err := f.Freezes(t.Context())
				if len(c.wants) > 0 {
					wantError(t, err, c.wants...)
				} else if err != nil || (frozen != nil) != c.frozen {
					t.Fatalf("%v (%v)", frozen, err)
				}
			}
			if n := strings.Count(log.String(), "one that has begun since then is not seen"); n != c.says {
				t.Errorf("the log says %d times that nobody knows: %s", n, log)
			}
			if c.name == "asked" && len(forge.Asked()) != 1 || c.byJob && len(forge.Asked()) != 0 {
				t.Errorf("GitLab was asked %v", forge.Asked())
			}
		})
	}
}

// TestFreezesAreRead: what the calendar says is a stretch with its reason, and one that cannot be read is none.
func TestFreezesAreRead(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	set := func(p ...gitlabtest.FreezePeriod) { forge.Look(func(s *gitlabtest.State) { s.Freezes = p }) }
	set(gitlabtest.FreezePeriod{Start: "::error::x\nsection_start:1:x\r", End: "0 18 * * 1"})
	_, err := f.Freezes(t.Context())
	wantError(t, err, "cannot be read", "deploy freezes")
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("%q", err)
	}
	set(gitlabtest.FreezePeriod{Start: "0 8 * * 1", End: "0 18 * * 1", Zone: "Europe/Dublin"})
	frozen, err := f.Freezes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := clock{}.Now()
	spans, err := frozen.Between(now, now.Add(time.Hour))
	if err != nil || len(spans) != 1 || spans[0].Why != `GitLab's freeze period from "0 8 * * 1" to "0 18 * * 1" Europe/Dublin` ||
		!spans[0].To.At.Equal(time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v (%v)", spans, err)
	}
	f, _ = in(t, gitlabtest.New(t))
	if none, err := f.Freezes(t.Context()); none != nil || err != nil {
		t.Errorf("without any: %v (%v)", none, err)
	}
}
