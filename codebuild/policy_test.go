package codebuild

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

// documented are the blocks of JSON in docs/aws.md.
func documented(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllSubmatch(text, -1) {
		all = append(all, string(b[1]))
	}
	return all
}

// TestPolicy does everything that a build does: each statement of the policy in docs/aws.md allows what it is for, and nothing else.
func TestPolicy(t *testing.T) {
	var policy struct {
		Statement []struct {
			Sid    string
			Action []string
		}
	}
	for _, text := range documented(t) {
		if strings.Contains(text, `"codecommit:`) {
			if err := json.Unmarshal([]byte(text), &policy); err != nil {
				t.Fatal(err)
			}
		}
	}
	does := map[string]func(y *yard, commit string) error{
		"Show": func(y *yard, commit string) error {
			s := y.build(41, "CODEBUILD_RESOLVED_SOURCE_VERSION="+commit)
			y.ask(awstest.PullRequest{Source: "feature", Title: "one", Closed: true, Merged: commit})
			s.Examine(t.Context(), nil)
			for _, says := range []string{"one", "two"} {
				if err := s.SetStatus(t.Context(), commit, success(says)); err != nil {
					return err
				}
				if err := s.Comment(t.Context(), commit, "shop/test", says); err != nil {
					return err
				}
			}
			return nil
		},
		"Gate": func(y *yard, _ string) error {
			y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: map[string]string{"gate": gatePool}})
			for _, st := range []core.Status{failure("no"), success("yes"), failure("no")} {
				if _, failed := show(t, y.build(41, rule, gateRole), st); failed != nil {
					return failed[0]
				}
			}
			return nil
		},
		"Plan": func(y *yard, _ string) error {
			y.change(func(s *awstest.State) { s.Push("shop", "main", map[string]string{"p.yaml": "version: 1\n"}) })
			s := y.build(41)
			c, err := codecommit.Open(t.Context(), aws.Options{}, aws.Env{Clock: clock{}, Lookup: s.env.Get})
			if err == nil {
				_, err = c.File(t.Context(), codecommit.Place{Repository: "shop", Ref: "main", Path: "p.yaml"})
			}
			return err
		},
	}
	for _, statement := range policy.Statement {
		if statement.Sid == "Git" {
			if want := []string{"codecommit:GitPull", "codecommit:GitPush"}; !slices.Equal(statement.Action, want) {
				t.Errorf("for git the policy allows %q; want %q", statement.Action, want)
			}
			continue
		}
		y := newYard(t)
		y.push("main")
		y.push("feature")
		if err := does[statement.Sid](y, y.push("main")); err != nil {
			t.Fatal(err)
		}
		used := make(map[string]bool)
		for _, r := range y.server.Asked() {
			if strings.HasPrefix(r.Action, "codecommit:") {
				used[r.Action] = true
			}
		}
		if want := slices.Sorted(maps.Keys(used)); !slices.Equal(statement.Action, want) {
			t.Errorf("%s: the policy allows %q; what is used is %q", statement.Sid, statement.Action, want)
		}
	}
	if len(policy.Statement) != len(does)+1 {
		t.Errorf("the policy has %d statements", len(policy.Statement))
	}
}

// TestTemplate: the approval rule of docs/aws.md is one that the gate's own session answers, and no other.
func TestTemplate(t *testing.T) {
	found := 0
	for _, text := range documented(t) {
		if !strings.Contains(text, "ApprovalPoolMembers") {
			continue
		}
		found++
		for name, want := range map[string]bool{"checkout-gate": true, "gate": false} {
			y := newYard(t)
			y.push("main")
			y.push("feature")
			p := y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: map[string]string{"gate": text}})
			if _, failed := show(t, y.build(41, rule, "BREAKWATER_CODECOMMIT_ROLE=arn:aws:iam::123456789012:role/"+name), success("enter")); failed != nil {
				t.Fatal(failed)
			}
			if got := len(y.approved(p)) == 1; got != want {
				t.Errorf("the role %s approves: %v", name, got)
			}
		}
	}
	if found != 1 {
		t.Errorf("docs/aws.md has %d rules", found)
	}
}
