package gitlab_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core/gitlab"
	"github.com/breakwater-ci/breakwater/core/gitlab/gitlabtest"
)

// TestGraphQL: what is a refusal, so that nothing was done, and what leaves open what was done.
func TestGraphQL(t *testing.T) {
	forge := gitlabtest.New(t)
	c, err := gitlab.New("", gitlab.Env{Lookup: lookup(forge.Environ()), Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	forge.Look(func(s *gitlabtest.State) {
		s.Jobs = []gitlabtest.Job{{ID: 5, Name: "deploy", Status: "failed", Variables: map[string]string{"VERSION": "v1"}}}
	})
	if got, err := c.JobVariables(t.Context(), 5); err != nil || got["VERSION"] != "v1" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.JobVariables(t.Context(), 6); gitlab.Code(err) != http.StatusNotFound {
		t.Errorf("no such job: %v", err)
	}
	again, err := c.RetryWith(t.Context(), 5, map[string]string{"VERSION": "v2"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.JobVariables(t.Context(), again.ID); err != nil || got["VERSION"] != "v2" {
		t.Errorf("the new job %d has %v, %v", again.ID, got, err)
	}
	if _, err := c.RetryWith(t.Context(), 5, nil); gitlab.Code(err) != http.StatusForbidden || !strings.Contains(err.Error(), "Job is not retryable") {
		t.Errorf("one that was retried: %v", err)
	}
	for answer, code := range map[string]int{
		`{"errors":[{"message":"no such field"}]}`:                                http.StatusForbidden,
		`{"data":{"jobRetry":{"job":null,"errors":["no"]}}}`:                      http.StatusForbidden,
		`{"data":{"jobRetry":{"job":null,"errors":[]}}}`:                          0,
		`{"data":{"jobRetry":{"job":{"id":"7"}}}}`:                                0,
		`{"data":{"jobRetry":null},"errors":[{"message":"may not"}]}`:             http.StatusForbidden,
		`{"data":{"jobRetry":{"job":null}},"errors":[{"message":"odd"}]}`:         0,
		`{"data":{"jobRetry":null},"errors":[{"message":"Timeout on CiJob.id"}]}`: 0,
		`{"data":{"jobRetry":null}}`:                                              0,
		`{"data":{`:                                                               0,
		`null`:                                                                    0,
	} {
		forge.Meddle(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { fmt.Fprint(w, answer) })
		before := c.Requests()
		if job, err := c.RetryWith(t.Context(), 5, nil); err == nil || gitlab.Code(err) != code || c.Requests() != before+1 {
			t.Errorf("%s: %v, %v; want the code %d", answer, job, err, code)
		}
	}
}
