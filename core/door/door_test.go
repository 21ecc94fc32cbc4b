package door_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/door"
)

const (
	region = "eu-west-1"
	where  = "codepipeline://shop/Deploy"
)

var (
	line = core.Line{Service: "shop", Environment: "production"}
	noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
)

type clock struct{}

func (clock) Now() time.Time { return noon }

func (clock) Wait(ctx context.Context, _ time.Time) error { return ctx.Err() }

// newCloud has the pipeline shop.
func newCloud(t *testing.T) *awstest.Server {
	c := awstest.New(t, clock{}.Now)
	c.Look(region, func(s *awstest.State) { s.Pipelines["shop"] = new(awstest.Pipeline) })
	return c
}

func open(t *testing.T, c *awstest.Server, url string, l core.Line) core.Door {
	t.Helper()
	d, err := door.Open(t.Context(), url, l, env(c))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func env(c *awstest.Server) aws.Env { return aws.Env{Clock: clock{}, Lookup: c.Lookup} }

// way is the transition into the stage.
func way(c *awstest.Server) (is awstest.Transition) {
	c.Look(region, func(s *awstest.State) { is = s.Pipelines["shop"].Way })
	return is
}

func look(t *testing.T, d core.Door) core.Doorway {
	t.Helper()
	is, err := d.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func TestStage(t *testing.T) {
	c := newCloud(t)
	d := open(t, c, where, line)
	if is := look(t, d); is != (core.Doorway{Open: true}) {
		t.Errorf("a stage that nobody has touched is %+v", is)
	}
	if err := d.Shut(t.Context(), look(t, d), "Rollout shop-production-7 is halted."); err != nil {
		t.Fatal(err)
	}
	const reason = "Breakwater 903fef0d shop-production. Rollout shop-production-7 is halted."
	is := look(t, d)
	if is.Open || !is.Ours || is.Why != reason || is.By == "" || !is.Since.Equal(noon) {
		t.Errorf("a stage that was shut is %+v", is)
	}
	if is := look(t, open(t, c, where, core.Line{Service: "shop-production", Environment: "x"})); is.Open || is.Ours {
		t.Errorf("for another line it is %+v", is)
	}

	before := len(c.Asked())
	if err := d.Shut(t.Context(), is, "Rollout shop-production-7 is halted."); err != nil || len(c.Asked()) != before {
		t.Errorf("it is shut twice for the same reason: %v", err)
	}
	if err := d.Shut(t.Context(), is, "A freeze."); err != nil || !strings.HasSuffix(way(c).Reason, " A freeze.") {
		t.Errorf("the new reason is %q, %v", way(c).Reason, err)
	}
	if err := d.Open(t.Context()); err != nil || !look(t, d).Open {
		t.Errorf("it is not open again: %v", err)
	}

	c.Look(region, func(s *awstest.State) {
		s.Pipelines["shop"].Way = awstest.Transition{Reason: "Breakwater is broken", By: "ada", At: noon}
	})
	if is := look(t, d); is.Open || is.Ours || is.By != "ada" {
		t.Errorf("what somebody else has shut is %+v", is)
	}
}

// TestReasons: whatever the reason holds, CodePipeline takes it; the fake holds it against the service's own pattern.
func TestReasons(t *testing.T) {
	legal := regexp.MustCompile(`^Breakwater [0-9a-f]{8} [a-zA-Z0-9!@ ().*?-]{1,280}$`)
	for _, why := range []string{"", "a: b; c/d_e, #1\n\x00", "é漢\xff", strings.Repeat("long ", 200), strings.Repeat("é", 400)} {
		c := newCloud(t)
		d := open(t, c, where, core.Line{Service: "shop:é", Environment: strings.Repeat("x/", 200)})
		if err := d.Shut(t.Context(), look(t, d), why); err != nil {
			t.Errorf("%q: %v", why, err)
		}
		if got := way(c).Reason; !legal.MatchString(got) || !look(t, d).Ours {
			t.Errorf("%q became %q", why, got)
		}
	}
}

func TestRefused(t *testing.T) {
	c := newCloud(t)
	for url, want := range map[string]string{
		"":                            "of no known kind; write one of codepipeline:",
		"shop/Deploy":                 "of no known kind",
		"codepipeline:shop/Deploy":    "is no stage of a pipeline; write codepipeline://PIPELINE/STAGE",
		"codepipeline://shop":         "is no stage of a pipeline",
		"codepipeline://shop/De ploy": "is no stage of a pipeline",
		where + "?regoin=eu-west-1":   `option "regoin" is unknown or there twice; known: account, region, role`,
		where + "?region=a&region=b":  `option "region" is unknown or there twice`,
		where + "?region=evil.host":   "not a name as eu-west-1",
		where + "?account=1":          "not 12 digits",
		where + "?region=%zz":         "what follows ? cannot be read",
	} {
		if _, err := door.Open(t.Context(), url, line, env(c)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", url, err, want)
		}
	}
	for url, want := range map[string]string{
		"codepipeline://shop/Prod":      "the pipeline shop has no stage Prod; it has Source, Deploy",
		"codepipeline://shop/Source":    "nothing leads into the stage Source of the pipeline shop",
		"codepipeline://mail/Deploy":    "does not include a pipeline with the name 'mail' (PipelineNotFoundException)",
		where + "?account=999999999999": "of AWS account 123456789012 and must be of 999999999999; nothing was touched",
		where + "?region=us-east-1":     "PipelineNotFoundException",
	} {
		if is, err := open(t, c, url, line).Look(t.Context()); err == nil || is.Open || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %q", url, is, err, want)
		}
	}
}

// TestDenied names the action that IAM must allow.
func TestDenied(t *testing.T) {
	c := newCloud(t)
	d := open(t, c, where, line)
	is := look(t, d)
	c.Meddle(func(string, map[string]any, func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "not authorized"}
	})
	_, err := d.Look(t.Context())
	for action, err := range map[string]error{
		"allow codepipeline:GetPipelineState on the pipeline shop":                           err,
		"allow codepipeline:EnableStageTransition on the stage Deploy of the pipeline shop":  d.Open(t.Context()),
		"allow codepipeline:DisableStageTransition on the stage Deploy of the pipeline shop": d.Shut(t.Context(), is, "x"),
	} {
		if err == nil || !strings.Contains(err.Error(), action) {
			t.Errorf("%v; want %q", err, action)
		}
	}
	var asked []string
	for _, r := range c.Asked() {
		asked = append(asked, r.Action)
	}
	slices.Sort(asked)
	want := awstest.Policy(t, "../../docs/aws.md", "### The way into a stage, shut with the gate")
	slices.Sort(want)
	if got := slices.Compact(asked); !slices.Equal(got, want) {
		t.Errorf("it asks for %q; docs/aws.md allows %q", got, want)
	}
}
