package actions

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// jobEnviron is what GitHub's runner says of a job.
func jobEnviron() []string {
	return []string{
		"GITHUB_ACTIONS=true", "GITHUB_ACTOR=octocat", "GITHUB_TRIGGERING_ACTOR=hubot", "GITHUB_REPOSITORY=octo/shop",
		"GITHUB_RUN_ID=77", "GITHUB_RUN_ATTEMPT=2", "GITHUB_SERVER_URL=https://ghe.example", "GITHUB_SHA=4f0c",
	}
}

func TestNew(t *testing.T) {
	for _, environ := range [][]string{nil, {"GITHUB_ACTIONS=false"}, {"GITHUB_RUN_ID=1"}, {"GITHUB_ACTIONS"}} {
		if _, ok := New(environ, io.Discard, io.Discard, clock{}); ok {
			t.Errorf("%q is no job of GitHub Actions", environ)
		}
	}
}

func TestJob(t *testing.T) {
	f, ok := New(jobEnviron(), io.Discard, io.Discard, clock{})
	if !ok || f.Err() != nil {
		t.Fatal(ok, f.Err())
	}
	want := core.Job{
		Actor: core.Actor{
			Name: "hubot", Run: "octo/shop/actions/runs/77", Attempt: 2,
			URL: "https://ghe.example/octo/shop/actions/runs/77/attempts/2",
		},
		Commit: "4f0c",
		Ledger: "github:",
	}
	if f.Job() != want {
		t.Errorf("got  %+v\nwant %+v", f.Job(), want)
	}
	first, _ := New(append(jobEnviron(), "GITHUB_TRIGGERING_ACTOR="), io.Discard, io.Discard, clock{})
	if got := first.Job().Actor.Name; got != "octocat" {
		t.Errorf("without a triggering actor the name is %q; want the actor", got)
	}
}

func TestBrokenContext(t *testing.T) {
	for _, c := range []struct{ entry, want string }{
		{"GITHUB_RUN_ATTEMPT=two", `GITHUB_RUN_ATTEMPT is "two"`},
		{"GITHUB_RUN_ATTEMPT=0", `GITHUB_RUN_ATTEMPT is "0"`},
		{"GITHUB_RUN_ATTEMPT=", "GITHUB_RUN_ATTEMPT is not set"},
		{"GITHUB_RUN_ATTEMPT=99999999999999999999", "must be a number from 1"},
		{"GITHUB_RUN_ID=-77", `GITHUB_RUN_ID is "-77"`},
		{"GITHUB_RUN_ID=7 7", `GITHUB_RUN_ID is "7 7"`},
		{"GITHUB_REPOSITORY=", "GITHUB_REPOSITORY is not set"},
		{"GITHUB_SHA=", "GITHUB_SHA is not set"},
	} {
		f, ok := New(append(jobEnviron(), c.entry), io.Discard, io.Discard, clock{})
		if !ok {
			t.Fatal("no job")
		}
		if f.Err() == nil || !strings.Contains(f.Err().Error(), c.want) {
			t.Errorf("%s: error %v; want one with %q", c.entry, f.Err(), c.want)
		}
		if f.Job() != (core.Job{}) {
			t.Errorf("%s: the job is %+v; want none", c.entry, f.Job())
		}
	}
}

func TestEnviron(t *testing.T) {
	for _, c := range []struct {
		name          string
		environ, want []string
	}{
		{"nothing", []string{"PATH=/bin", "A"}, []string{"PATH=/bin", "A"}},
		{
			"an input is a flag",
			[]string{"INPUT_PLAN=p.yaml", "INPUT_FIRST-RELEASE=true", "INPUT_ODD NAME=x"},
			[]string{
				"INPUT_PLAN=p.yaml", "INPUT_FIRST-RELEASE=true", "INPUT_ODD NAME=x",
				"BREAKWATER_FIRST_RELEASE=true", "BREAKWATER_ODD_NAME=x", "BREAKWATER_PLAN=p.yaml",
			},
		},
		{
			"an empty input hides nothing",
			[]string{"INPUT_PLAN=", "INPUT_LEDGER= \n", "BREAKWATER_PLAN=p.yaml"},
			[]string{"INPUT_PLAN=", "INPUT_LEDGER= \n", "BREAKWATER_PLAN=p.yaml"},
		},
		{
			"an input goes before the environment",
			[]string{"BREAKWATER_PLAN=old.yaml", "INPUT_PLAN=p.yaml"},
			[]string{"INPUT_PLAN=p.yaml", "BREAKWATER_PLAN=p.yaml"},
		},
		{
			"a value may hold anything",
			[]string{"INPUT_VERSION=a=b; $(touch x)\nc "},
			[]string{"INPUT_VERSION=a=b; $(touch x)\nc ", "BREAKWATER_VERSION=a=b; $(touch x)\nc"},
		},
		{
			"what is the runner's own",
			[]string{"INPUT_ARGS=--json", "INPUT_ENTRYPOINT=/bin/sh", "INPUT_=x"},
			[]string{"INPUT_ARGS=--json", "INPUT_ENTRYPOINT=/bin/sh", "INPUT_=x"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := slices.Clone(c.environ)
			if got := Environ(given); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if !slices.Equal(given, c.environ) {
				t.Error("the environ that was given is changed")
			}
		})
	}
}

// A clock waits for real, but never for long.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(min(time.Until(until), 2*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
