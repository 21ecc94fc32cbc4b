package gitlab

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// TestAnswer: an external status check is told about the newest commit of the source branch, also where the job is about
// what a merge would result in.
func TestAnswer(t *testing.T) {
	forge := gitlabtest.New(t)
	forge.Look(func(s *gitlabtest.State) {
		s.Checks = []int{5}
		s.Merges = []gitlabtest.MergeRequest{{IID: 12, SHA: "beef", Into: "main"}, {IID: 13, SHA: forge.Main(), Into: "main"}}
	})
	f, log := in(t, forge, "CI_MERGE_REQUEST_IID=12", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=beef")
	mine, err := f.Changes(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []core.StatusState{core.StatusPending, core.StatusFailure, core.StatusSuccess} {
		if err := f.Answer(t.Context(), 5, mine[0], state); err != nil {
			t.Fatal(err)
		}
	}
	forge.Look(func(s *gitlabtest.State) { s.Merges[0].Merged = "beef" })
	all, err := f.Changes(t.Context(), true)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	if err := f.Answer(t.Context(), 5, all[0], core.StatusFailure); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		want := []gitlabtest.Answer{{IID: 12, Check: 5, SHA: "beef", Status: "pending"}, {IID: 12, Check: 5, SHA: "beef", Status: "failed"},
			{IID: 12, Check: 5, SHA: "beef", Status: "passed"}, {IID: 13, Check: 5, SHA: forge.Main(), Status: "failed"}}
		if !slices.Equal(s.Answers, want) {
			t.Errorf("the answers are %+v; want %+v", s.Answers, want)
		}
		s.Merges[1].SHA = "newer"
	})
	if err := f.Answer(t.Context(), 5, all[0], core.StatusSuccess); err != nil || !strings.Contains(log.String(), "The pipeline of its newest commit answers.") {
		t.Errorf("of a branch that moved on: %v, %s", err, log)
	}
	wantError(t, f.Answer(t.Context(), 5, core.Change{Name: "#9"}, core.StatusSuccess), "is no merge request")
}

// TestAnswerFaults: where there is no such check it is said once; what else goes wrong is an error.
func TestAnswerFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		byJob  bool
		status int // 0: as the fake has it, without such a check
		says   string
		want   []string // of the error; empty: none
	}{
		{name: "no such check", says: "Not Found (404)"},
		{name: "403", status: 403, says: "::as the test wants it"},
		{name: "the job's token", byJob: true, says: "a job's own token"},
		{name: "401", status: 401, want: []string{"take the answer for external status check 5 of !12", "(401)"}},
		{name: "400", status: 400, want: []string{"(400)"}},
		{name: "429, for a while", status: 429, says: "Not Found (404)"},
		{name: "500", status: 500, want: []string{"(500)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forge := gitlabtest.New(t)
			if c.status != 0 {
				limits := 2
				forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
					if limits--; c.status == http.StatusTooManyRequests && limits < 0 {
						serve(w, r)
						return
					}
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(`{"message":"::as the test wants it\nsection_start:1:x"}`))
				})
			}
			environ := forge.Environ()
			if c.byJob {
				environ = forge.JobEnviron()
			}
			f, log := job(t, append(environ, "CI_MERGE_REQUEST_IID=12")...)
			mine, _ := f.Changes(t.Context(), false)
			for range 2 {
				if err := f.Answer(t.Context(), 5, mine[0], core.StatusSuccess); len(c.want) > 0 {
					wantError(t, err, c.want...)
				} else if err != nil {
					t.Error(err)
				}
			}
			said := log.String()
			if n := strings.Count(said, "takes no answer for external status check 5"); c.says == "" && n != 0 || c.says != "" && (n != 1 || !strings.Contains(said, c.says)) {
				t.Errorf("the log says %d times: %s", n, said)
			}
			if strings.Contains(said, "section_start:1") {
				t.Errorf("the log has a section of somebody else: %q", said)
			}
		})
	}
}
