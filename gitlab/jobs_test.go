package gitlab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// listed reads jobs, one a line: NAME STATUS CREATED BEGAN ENDED, in seconds; - is never.
func listed(t *testing.T, text string) (jobs []gitlab.Job) {
	t.Helper()
	at := func(s string) time.Time {
		var seconds int
		if s == "-" {
			return time.Time{}
		}
		if _, err := fmt.Sscan(s, &seconds); err != nil {
			t.Fatal(err)
		}
		return clock{}.Now().Add(time.Duration(seconds) * time.Second)
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		jobs = append(jobs, gitlab.Job{ID: 100 + len(jobs), Name: f[0], Status: f[1], Created: at(f[2]), Began: at(f[3]), Ended: at(f[4])})
	}
	return jobs
}

// TestAttempts: a pipeline has no attempts, so they are told from what was retried and when.
func TestAttempts(t *testing.T) {
	for _, test := range []struct {
		name string
		jobs string
		want []int // of each job
	}{
		{"a pipeline that nobody retried", `
			start   success 0 1 2
			deploy  success 0 3 4
			verdict running 0 5 -`, []int{1, 1, 1}},
		{"a job of a later wave is of the attempt that it runs in", `
			verdict failed  0 1 2
			start-2 success 0 12 13
			verdict success 10 10 11`, []int{1, 2, 2}},
		{"what is retried at one go is one attempt", `
			a       failed  0 1 2
			b       failed  0 1 3
			verdict failed  0 4 5
			a       success 10 13 14
			b       success 11 13 15
			verdict success 12 16 17`, []int{1, 1, 1, 2, 2, 2}},
		{"also if a job of the same go has ended well in between", `
			a       failed  0 1 2
			b       failed  0 1 3
			a       success 10 11 12
			b       success 13 14 15`, []int{1, 1, 2, 2}},
		{"a second go, of another job, after the first has failed too", `
			a       failed  0 1 2
			b       failed  0 1 3
			verdict failed  0 4 5
			a       success 10 11 12
			verdict failed  10 13 14
			b       success 20 21 22
			verdict success 20 23 24`, []int{1, 1, 1, 2, 2, 3, 3}},
		{"a retry of what has gone well is no attempt", `
			a       success 0 1 2
			a       success 10 11 12`, []int{1, 1}},
		{"nor is one before anything has failed", `
			a       success 0 1 2
			b       failed  0 1 20
			a       success 10 11 12`, []int{1, 1, 1}},
		{"a job that was cancelled before it had a runner has done nothing", `
			a       canceled 0 - 5
			a       success 10 11 12`, []int{1, 1}},
		{"one that was cancelled while it ran has", `
			a       canceled 0 1 5
			a       success 10 11 12`, []int{1, 2}},
		{"a job that never ran is of the newest", `
			a       failed  0 1 2
			later   skipped 0 - -
			a       running 10 11 -`, []int{1, 2, 2}},
		{"one that ran through a retry is of the one before", `
			a       failed  0 1 2
			long    success 0 1 30
			a       success 10 11 12`, []int{1, 1, 2}},
	} {
		jobs := listed(t, test.jobs)
		began := attempts(jobs)
		var got []int
		for _, j := range jobs {
			got = append(got, attemptOf(began, j))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
		for seconds := range 60 { // what comes later changes no attempt of what has begun
			at := clock{}.Now().Add(time.Duration(seconds) * time.Second)
			then := asOf(jobs, at)
			for i, j := range then {
				if got := attemptOf(attempts(then), j); !j.Began.IsZero() && got != test.want[i] {
					t.Errorf("%s: at %s %s is of attempt %d, later of %d", test.name, at.Format("05"), j.Name, got, test.want[i])
				}
			}
		}
	}
}

// asOf are the jobs that there were at an instant, as they were.
func asOf(jobs []gitlab.Job, at time.Time) (then []gitlab.Job) {
	for _, j := range jobs {
		if j.Created.After(at) {
			break
		}
		if j.Ended.After(at) {
			j.Status, j.Ended = "running", time.Time{}
		}
		if j.Began.After(at) {
			j.Status, j.Began = "created", time.Time{}
		}
		then = append(then, j)
	}
	return then
}

func TestCommonName(t *testing.T) {
	for name, want := range map[string]string{
		"one-box: deploy: [shop-1]":   "one-box / deploy (shop-1)",
		"one-box 2: deploy: [shop-1]": "one-box 2 / deploy (shop-1)",
		"deploy: [shop-1]":            "deploy (shop-1)",
		"deploy: [shop-1, eu]":        "deploy (shop-1, eu)",
		"a: b: deploy: [x]":           "a: b / deploy (x)",
		"deploy (shop-1)":             "deploy (shop-1)",
		"one-box: verdict":            "one-box: verdict",
		"deploy [x]":                  "deploy [x]",
		"deploy: []":                  "deploy ()",
	} {
		if got := commonName(name); got != want {
			t.Errorf("%q is %q; want %q", name, got, want)
		}
	}
}

func TestJobOutcomes(t *testing.T) {
	for _, test := range []struct {
		status, began string
		want          core.Outcome
	}{
		{"success", "1", core.OutcomeDone},
		{"failed", "1", core.OutcomeFailed},
		{"failed", "-", core.OutcomeUntouched},
		{"canceled", "1", core.OutcomeCut},
		{"canceled", "-", core.OutcomeUntouched},
		{"skipped", "-", core.OutcomeUntouched},
		{"canceling", "1", ""},
		{"running", "1", ""},
		{"pending", "-", ""},
		{"created", "-", ""},
		{"manual", "-", ""},
		{"scheduled", "-", ""},
		{"waiting_for_resource", "-", ""},
		{"something new", "1", ""},
	} {
		j := listed(t, "x y 0 "+test.began+" 3")[0]
		j.Status = test.status
		if got := jobOf(j); got.Outcome != test.want {
			t.Errorf("%s, began %s: %q; want %q", test.status, test.began, got.Outcome, test.want)
		}
	}
}

// TestJobs: of each name the newest of an attempt, from all pages; of no project but the job's own.
func TestJobs(t *testing.T) {
	forge := gitlabtest.New(t)
	f, _ := in(t, forge)
	forge.Look(func(s *gitlabtest.State) {
		for i, j := range listed(t, "w:deploy:[a] failed 0 1 2\nw:deploy:[a] success 10 11 12\nw:deploy:[a] success 13 14 15") {
			s.Jobs = append(s.Jobs, gitlabtest.Job{ID: j.ID, Pipeline: 77, Name: "w: deploy: [a]", Status: j.Status, Created: j.Created, Began: j.Began, Ended: j.Ended, Retried: i < 2})
		}
		for i := range 250 {
			s.Jobs = append(s.Jobs, gitlabtest.Job{ID: 1000 + i, Pipeline: 77, Name: fmt.Sprintf("w: deploy: [t%d]", i), Status: "success", Created: clock{}.Now(), Began: clock{}.Now()})
		}
	})
	run, attempt, err := f.Crew(t.Context())
	if run != "acme/shop/-/pipelines/77" || attempt != 2 || err != nil {
		t.Fatalf("the crew is %s, attempt %d (%v)", run, attempt, err)
	}
	for attempt, want := range map[int]int{1: 251, 2: 1, 3: 0} {
		jobs, err := f.Jobs(t.Context(), run, attempt)
		if err != nil || len(jobs) != want {
			t.Errorf("attempt %d has %d jobs (%v); want %d", attempt, len(jobs), err, want)
		}
		if attempt == 2 && (jobs[0].ID != 102 || jobs[0].Name != "w / deploy (a)" || jobs[0].Took != time.Second) {
			t.Errorf("it is %+v", jobs[0])
		}
	}
	for _, run := range []string{"other/project/-/pipelines/77", "acme/shop/-/pipelines/x", ""} {
		_, err := f.Jobs(t.Context(), run, 1)
		wantError(t, err, "is no pipeline of acme/shop")
	}
}
