package codebuild

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// of is what every build has.
var of = []string{"CODEBUILD_BUILD_ID=shop:b1e6661e-e4f2-4156-9ab9-82a19EXAMPLE", "CODEBUILD_BUILD_NUMBER=41", "CODEBUILD_INITIATOR=ada",
	"CODEBUILD_BUILD_ARN=arn:aws:codebuild:eu-west-1:123456789012:build/shop:b1e6661e-e4f2-4156-9ab9-82a19EXAMPLE",
	"CODEBUILD_RESOLVED_SOURCE_VERSION=4ac1d2e"}

// A clock lets no time pass: waits are over at once.
type clock struct{}

func (clock) Now() time.Time                              { return time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC) }
func (clock) Wait(ctx context.Context, _ time.Time) error { return ctx.Err() }

// build is a forge, and what it writes to standard output and standard error.
func build(t *testing.T, environ ...string) (f *Forge, out, notes *bytes.Buffer) {
	t.Helper()
	out, notes = new(bytes.Buffer), new(bytes.Buffer)
	f, ok := New(slices.Concat(of, environ), out, notes, clock{})
	if !ok || f.Err() != nil {
		t.Fatalf("no build: %v", f.Err())
	}
	return f, out, notes
}

func wantError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it works, want an error with %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q in it", err, want)
		}
	}
}

const page = "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/123456789012/projects/shop/build/shop%3Ab1e6661e-e4f2-4156-9ab9-82a19EXAMPLE/?region=eu-west-1"

func TestJob(t *testing.T) {
	f, _, _ := build(t)
	want := core.Job{Commit: "4ac1d2e", Actor: core.Actor{Name: "ada", Run: "eu-west-1:123456789012:project/shop/builds/41", Attempt: 41, URL: page}}
	if got := f.Job(); got != want {
		t.Errorf("the job is %+v; want %+v", got, want)
	}
	f, _, _ = build(t, "CODEBUILD_BUILD_URL=https://console.example.com/1", "CODEBUILD_RESOLVED_SOURCE_VERSION=")
	if got := f.Job(); got.Actor.URL != "https://console.example.com/1" || got.Commit != "" {
		t.Errorf("the job is %+v", got)
	}
	f, _, _ = build(t, "CODEBUILD_BUILD_ARN=arn:aws-cn:codebuild:cn-north-1:123456789012:build/shop:1")
	if got := f.Job().Actor.URL; !strings.HasPrefix(got, "https://cn-north-1.console.amazonaws.cn/codesuite/") {
		t.Errorf("the page is %s", got)
	}
	for _, environ := range [][]string{nil, {"GITHUB_ACTIONS=true"}, {"CODEBUILD_BUILD_ID="}} {
		if _, ok := New(environ, io.Discard, io.Discard, clock{}); ok {
			t.Errorf("%q is taken for a build", environ)
		}
	}
	for environ, want := range map[string]string{
		"CODEBUILD_BUILD_ARN=":                 "CODEBUILD_BUILD_ARN is not set: the CI system sets it",
		"CODEBUILD_BUILD_NUMBER=":              "CODEBUILD_BUILD_NUMBER is not set: the CI system sets it",
		"CODEBUILD_BUILD_NUMBER=0":             "must be a number from 1",
		"CODEBUILD_BUILD_ARN=arn:aws:s3:::x/y": "must be of the form arn:aws:codebuild:",
	} {
		f, ok := New(slices.Concat(of, []string{environ}), io.Discard, io.Discard, clock{})
		if !ok {
			t.Fatal("it is no build")
		}
		wantError(t, f.Err(), want)
	}
	f, _ = New(slices.Concat(of, []string{"CODEBUILD_INITIATOR=codepipeline/shop", "BREAKWATER_PIPELINE_EXECUTION=#{codepipeline.PipelineExecutionId}"}), io.Discard, io.Discard, clock{})
	wantError(t, f.Err(), "BREAKWATER_PIPELINE_EXECUTION is", "the action of the pipeline must set it")
}

// TestWhoTakesOver: only what CodePipeline starts again takes over at once. Any other build may run at the same time as the
// one before, be it of the same commit, so it waits for the lease.
func TestWhoTakesOver(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	alive := func(core.Actor) bool { return false }
	const one, two = "BREAKWATER_PIPELINE_EXECUTION=0b0f0bc5-53b4-4a44-bf2c-33e7f8be3b2c", "BREAKWATER_PIPELINE_EXECUTION=1b0f0bc5-53b4-4a44-bf2c-33e7f8be3b2c"
	const pipeline = "CODEBUILD_INITIATOR=codepipeline/shop"
	for _, c := range []struct {
		name          string
		first, second []string
		want          bool
	}{
		{"a retry by the pipeline", []string{pipeline, one}, []string{pipeline, one, "CODEBUILD_BUILD_NUMBER=42"}, true},
		{"an earlier build of the execution", []string{pipeline, one}, []string{pipeline, one, "CODEBUILD_BUILD_NUMBER=40"}, false},
		{"another execution", []string{pipeline, one}, []string{pipeline, two, "CODEBUILD_BUILD_NUMBER=42"}, false},
		{"another action of the stage", []string{pipeline, one + "/blue"}, []string{pipeline, one + "/green", "CODEBUILD_BUILD_NUMBER=42"}, false},
		{"another project", []string{pipeline, one}, []string{pipeline, one, "CODEBUILD_BUILD_NUMBER=42", "CODEBUILD_BUILD_ARN=arn:aws:codebuild:eu-west-1:123456789012:build/other:1"}, false},
		{"another account", []string{pipeline, one}, []string{pipeline, one, "CODEBUILD_BUILD_NUMBER=42", "CODEBUILD_BUILD_ARN=arn:aws:codebuild:eu-west-1:210987654321:build/shop:1"}, false},
		{"a retry by a person of what the pipeline started", []string{pipeline, one}, []string{one, "CODEBUILD_BUILD_NUMBER=42"}, false},
		{"a second build of the same commit", nil, []string{"CODEBUILD_BUILD_NUMBER=42"}, false},
		{"a variable that the project sets for all builds", []string{one}, []string{one, "CODEBUILD_BUILD_NUMBER=42"}, false},
	} {
		first, _, _ := build(t, c.first...)
		second, _, _ := build(t, c.second...)
		lease := core.Lease{Holder: first.Job().Actor, Until: now.Add(time.Hour)}
		lease.Holder.ID = "first"
		actor := second.Job().Actor
		actor.ID = "second"
		if got := lease.YieldsTo(actor, now, alive); got != c.want {
			t.Errorf("%s takes over: %v", c.name, got)
		}
		if !lease.YieldsTo(actor, now.Add(time.Hour), alive) {
			t.Errorf("%s does not take over when the lease has ended", c.name)
		}
	}
}

func TestLog(t *testing.T) {
	f, out, notes := build(t)
	f.Log().Mask("hunter2 hunter2\n}\nsecond line\n")
	f.Log().Mask(" ")
	f.Log().Group("two\nlines", "a\r\nsecond line }\n\nb")
	f.Log().Group("empty", "")
	if got, want := out.String(), "two lines\n  | a\n  | *** }\n  | \n  | b\nempty\n"; got != want {
		t.Errorf("the group is %q; want %q", got, want)
	}
	f.Log().Annotate(core.Annotation{Error: true, Title: "Check", Message: "second line\n", File: "a.yaml", Line: 3, Column: 4})
	f.Log().Annotate(core.Annotation{Title: "Breakwater", Message: "x", File: "a.yaml", Line: 3})
	f.Log().Annotate(core.Annotation{Message: "y", File: "a.yaml", Column: 1})
	if got, want := notes.String(), "ERROR Check: *** (a.yaml:3:4)\nWARNING x (a.yaml:3)\nWARNING y (a.yaml)\n"; got != want {
		t.Errorf("the notes are %q; want %q", got, want)
	}
	var b bytes.Buffer
	n, err := f.Writer(&b).Write([]byte("it is second line"))
	if n != 17 || err != nil || b.String() != "it is ***" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestLogGone(t *testing.T) {
	f, _ := New(of, broken{}, broken{}, clock{})
	f.Log().Group("x", "y")
	wantError(t, f.Publish(t.Context(), core.Published{}), "write the log: gone")
	if _, err := f.Writer(broken{}).Write([]byte("x")); err == nil {
		t.Error("a write that failed looks well")
	}
}
