package build_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/build"
)

const (
	region = "eu-west-1"
	commit = "4ac1d2e4ac1d2e4ac1d2e4ac1d2e4ac1d2e4ac1d"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

type clock struct{}

func (clock) Now() time.Time { return noon }

func (clock) Wait(ctx context.Context, _ time.Time) error { return ctx.Err() }

// newCloud has the project tests with some builds, oldest first.
func newCloud(t *testing.T, builds ...awstest.Build) *awstest.Server {
	c := awstest.New(t, clock{}.Now)
	c.Look(region, func(s *awstest.State) {
		s.Projects["tests"] = new(awstest.Project)
		for _, b := range builds {
			b.Project = "tests"
			is := s.Build(b)
			if b.Status != "" {
				is.Status = b.Status
			}
		}
	})
	return c
}

func open(t *testing.T, c *awstest.Server, is core.RequiredBuild) *build.Project {
	t.Helper()
	p, err := build.Open(t.Context(), is, aws.Env{Clock: clock{}, Lookup: c.Lookup})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStatus: only the newest build of the very commit counts, and only its success.
func TestStatus(t *testing.T) {
	of := func(status string) awstest.Build {
		return awstest.Build{Source: "main", Resolved: commit, Status: status, Looks: -1}
	}
	var many []awstest.Build
	many = append(many, of("SUCCEEDED"))
	for range 15 { // pages are short here
		many = append(many, awstest.Build{Resolved: "another", Source: "main", Status: "FAILED"})
	}
	for name, c := range map[string]struct {
		builds []awstest.Build
		state  core.StatusState
		says   string
	}{
		"none":               {nil, core.StatusMissing, "no build of the commit is there"},
		"another commit":     {[]awstest.Build{{Resolved: "another", Source: commit, Status: "SUCCEEDED"}}, core.StatusMissing, ""},
		"succeeded":          {[]awstest.Build{of("SUCCEEDED")}, core.StatusSuccess, "build tests:00000001 has succeeded"},
		"long ago":           {many, core.StatusSuccess, "build tests:00000001 has succeeded"},
		"failed":             {[]awstest.Build{of("FAILED")}, core.StatusFailure, "build tests:00000001 ended with FAILED"},
		"stopped":            {[]awstest.Build{of("STOPPED")}, core.StatusFailure, "ended with STOPPED"},
		"fault":              {[]awstest.Build{of("FAULT")}, core.StatusFailure, "ended with FAULT"},
		"timed out":          {[]awstest.Build{of("TIMED_OUT")}, core.StatusFailure, "ended with TIMED_OUT"},
		"under way":          {[]awstest.Build{of("IN_PROGRESS")}, core.StatusPending, "build tests:00000001 is at BUILD"},
		"not resolved yet":   {[]awstest.Build{{Source: commit, Status: "IN_PROGRESS", Looks: -1}}, core.StatusPending, "is at BUILD"},
		"failed, then well":  {[]awstest.Build{of("FAILED"), of("SUCCEEDED")}, core.StatusSuccess, "build tests:00000002"},
		"well, then failed":  {[]awstest.Build{of("SUCCEEDED"), of("FAILED")}, core.StatusFailure, "build tests:00000002"},
		"well, then another": {[]awstest.Build{of("SUCCEEDED"), {Resolved: "another", Source: "main", Status: "FAILED"}}, core.StatusSuccess, "build tests:00000001"},
	} {
		got, err := open(t, newCloud(t, c.builds...), core.RequiredBuild{Project: "tests"}).Status(t.Context(), commit)
		if err != nil || got.Name != "codebuild tests" || got.State != c.state || !strings.Contains(got.Description, c.says) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestStart: where there is no build one is had made, once, and is followed though no list shows it yet.
func TestStart(t *testing.T) {
	for _, ends := range []string{"", "FAILED"} {
		c := newCloud(t)
		c.Look(region, func(s *awstest.State) {
			s.Projects["tests"].Starts = func(b *awstest.Build) { b.Resolved, b.Looks, b.Ends, b.Unseen = b.Source, 2, ends, 2 }
		})
		p := open(t, c, core.RequiredBuild{Project: "tests", Start: true})
		var said []string
		for range 6 {
			is, err := p.Status(t.Context(), commit)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, string(is.State))
		}
		end := map[string]core.StatusState{"": core.StatusSuccess, "FAILED": core.StatusFailure}[ends]
		if want := fmt.Sprint([]core.StatusState{"pending", "pending", "pending", "pending", "pending", end}); fmt.Sprint(said) != want {
			t.Errorf("it says %v; want %s", said, want)
		}
		c.Look(region, func(s *awstest.State) {
			if len(s.Builds) != 1 || s.Builds[0].Source != commit {
				t.Errorf("%d builds were started", len(s.Builds))
			}
		})
	}
}

// TestRefused: what cannot be asked is an error, and names what would permit it.
func TestRefused(t *testing.T) {
	for action, builds := range map[string][]awstest.Build{
		"codebuild:ListBuildsForProject": nil, "codebuild:BatchGetBuilds": {{Resolved: commit, Source: "main"}}, "codebuild:StartBuild": nil,
	} {
		c := newCloud(t, builds...)
		c.Meddle(func(asked string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if asked == action {
				return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "not authorized"}
			}
			return serve()
		})
		is, err := open(t, c, core.RequiredBuild{Project: "tests", Start: true}).Status(t.Context(), commit)
		if err == nil || is.State == core.StatusSuccess || !strings.Contains(err.Error(), "allow "+action+" on the project tests") {
			t.Errorf("%s: %+v, %v", action, is, err)
		}
	}
	c := newCloud(t)
	for want, is := range map[string]core.RequiredBuild{
		"Project cannot be found: gone":                           {Project: "gone"},
		"of AWS account 123456789012 and must be of 999999999999": {Project: "tests", AWS: core.AWS{Account: "999999999999"}},
	} {
		if _, err := open(t, c, is).Status(t.Context(), commit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// TestPolicy: the policy in docs/aws.md is what is asked for.
func TestPolicy(t *testing.T) {
	c := newCloud(t, awstest.Build{Resolved: "another", Source: "main"})
	if _, err := open(t, c, core.RequiredBuild{Project: "tests", Start: true}).Status(t.Context(), commit); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, r := range c.Asked() {
		asked = append(asked, r.Action)
	}
	want := awstest.Policy(t, "../../docs/aws.md", "## Tests in CodeBuild before the first wave")
	slices.Sort(asked)
	if asked = slices.Compact(asked); !slices.Equal(asked, want) {
		t.Errorf("it asks for %q; docs/aws.md allows %q", asked, want)
	}
}
