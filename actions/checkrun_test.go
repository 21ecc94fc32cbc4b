package actions

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

var shopProd = core.Line{Service: "shop", Environment: "prod"}

// saying is a report of a rollout in a state.
func saying(state core.State, notes ...core.Annotation) core.Report {
	r := core.Report{Rollout: "shop-prod-1", Line: shopProd, State: state, Title: "It is " + string(state), Text: "## It is " + string(state) + "\n", Notes: notes,
		Began: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	if state.Resting() {
		r.Ended = r.Began.Add(time.Hour)
	}
	return r
}

// checkRunsOf says of each check run its name, its end and how many notes it has.
func checkRunsOf(forge *githubtest.Server) (all []string) {
	forge.Look(func(s *githubtest.State) {
		for _, c := range s.Checks {
			all = append(all, fmt.Sprintf("%s %s%s: %s, %d notes", c.Name, c.Status, "/"+c.Conclusion, c.Title, len(c.Notes)))
		}
	})
	return all
}

// TestReport: one check run is kept up to date; one that is completed stays what it is, and a rollout that goes on gets a
// new one. Another process finds it again.
func TestReport(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	forge.Look(func(s *githubtest.State) { // somebody else's of the same name, and one of another rollout of ours
		s.Checks = []githubtest.Check{{ID: 1, SHA: at, Name: "Breakwater shop/prod", Status: "completed", Conclusion: "success", Title: "theirs"},
			{ID: 2, SHA: at, Name: "Breakwater shop/prod", Status: "completed", Conclusion: "failure", Title: "before", External: "breakwater:shop-prod-0"}}
	})
	first, second, third := onGitHub(t, forge), onGitHub(t, forge), onGitHub(t, forge)
	lint := core.Annotation{Title: "BW001 no-bake", Message: "It does not bake.", File: "breakwater.yaml", Line: 3, Column: 2}
	stop := core.Annotation{Error: true, Title: "Check errors: fail", Message: "Too many.", File: "breakwater.yaml", Line: 9}
	for _, step := range []struct {
		by   *Forge
		r    core.Report
		want string
	}{
		{first, saying(core.StateDeploying, lint), "in_progress/: It is deploying, 1 notes"},
		{first, saying(core.StateBaking, lint), "in_progress/: It is baking, 1 notes"},
		{second, saying(core.StateBaking, lint), "in_progress/: It is baking, 1 notes"},
		{second, saying(core.StateHalted, lint, stop), "completed/action_required: It is halted, 2 notes"},
		{second, saying(core.StateHalted, lint, stop), "completed/action_required: It is halted, 2 notes"},
		{third, saying(core.StateAborted, lint), "completed/cancelled: It is aborted, 1 notes"},
	} {
		if err := step.by.Report(t.Context(), at, step.r); err != nil {
			t.Fatal(err)
		}
		got := checkRunsOf(forge)
		if last := "Breakwater shop/prod " + step.want; got[len(got)-1] != last {
			t.Errorf("%s: %q; want %q", step.r.State, got[len(got)-1], last)
		}
	}
	if got := checkRunsOf(forge); len(got) != 4 {
		t.Errorf("%q; want two of this rollout", got)
	}
	forge.Look(func(s *githubtest.State) {
		c := s.Checks[2]
		want := []githubtest.Note{{Path: "breakwater.yaml", Level: "warning", Title: "BW001 no-bake", Message: "It does not bake.", Line: 3, Column: 2},
			{Path: "breakwater.yaml", Level: "failure", Title: "Check errors: fail", Message: "Too many.", Line: 9}}
		if !slices.Equal(c.Notes, want) || c.Details != "https://ghe.example/octo/shop/actions/runs/77/attempts/2" || c.Summary != "## It is halted\n" {
			t.Errorf("%+v", c)
		}
	})
}

// TestReportAtTheLimits: a text that GitHub would refuse is cut, and more notes than one request may have come in several.
func TestReportAtTheLimits(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	r := saying(core.StateSucceeded)
	r.Text = strings.Repeat("| é | a row of a table |\n", 5000)
	for i := range 120 {
		r.Notes = append(r.Notes, core.Annotation{Title: "t", Message: fmt.Sprint("m", i), File: "breakwater.yaml", Line: i})
	}
	if err := onGitHub(t, forge).Report(t.Context(), at, r); err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *githubtest.State) {
		c := s.Checks[0]
		if len(c.Notes) != 120 || !strings.HasPrefix(c.Summary, summaryCut) || len(c.Summary) < 60_000 || !strings.HasSuffix(c.Summary, "table |\n") {
			t.Errorf("%d notes, a summary of %d bytes", len(c.Notes), len(c.Summary))
		}
	})
	asked := forge.Asked()
	if want := []string{"GET", "POST", "PATCH", "PATCH"}; len(asked) != len(want) {
		t.Errorf("asked for %q", asked)
	}
}

// TestReportIsNoRequirement: what Breakwater itself shows is not taken for a check that a plan requires.
func TestReportIsNoRequirement(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	f := onGitHub(t, forge)
	if err := f.Report(t.Context(), at, saying(core.StateSucceeded)); err != nil {
		t.Fatal(err)
	}
	if have, err := f.Statuses(t.Context(), at); err != nil || len(have) != 0 {
		t.Errorf("%v, %v", have, err)
	}
}

// TestReportWithoutPermission: the error says what permits it.
func TestReportWithoutPermission(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Method != http.MethodPost {
			serve(w, r)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"message":"You must authenticate via a GitHub App."}`))
	})
	err := onGitHub(t, forge).Report(t.Context(), at, saying(core.StateBaking))
	want := "GitHub does not show the report on commit " + at + ": You must authenticate via a GitHub App. (403); the job needs permissions: {checks: write}"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestReportAfterALostAnswer: a check run that was made, but whose answer was lost, is found again.
func TestReportAfterALostAnswer(t *testing.T) {
	forge := githubtest.New(t)
	at := commit(forge, "one")
	lost := false
	forge.Meddle(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Method == http.MethodPost && !lost {
			lost = true
			serve(discard{make(http.Header)}, r)
			panic(http.ErrAbortHandler)
		}
		serve(w, r)
	})
	f := onGitHub(t, forge)
	if err := f.Report(t.Context(), at, saying(core.StateBaking)); err == nil {
		t.Error("nobody knows what became of it, and no error says so")
	}
	if err := f.Report(t.Context(), at, saying(core.StateSucceeded)); err != nil {
		t.Fatal(err)
	}
	if got := checkRunsOf(forge); len(got) != 1 || got[0] != "Breakwater shop/prod completed/success: It is succeeded, 0 notes" {
		t.Errorf("%q", got)
	}
}

// discard is where an answer gets lost.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
