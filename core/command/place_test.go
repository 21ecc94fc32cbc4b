package command

import (
	"bytes"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

// TestOnce: doctor reads its plan twice, once as it is written and once filled in, and CodeCommit is asked once: both are one plan.
func TestOnce(t *testing.T) {
	server := awstest.New(t, time.Now)
	server.Look("eu-west-1", func(s *awstest.State) {
		s.Push("shop", "main", map[string]string{"p.yaml": "version: 1\nservice: shop\nenvironment: test\ntargets: [{name: a}]\nwaves: [{name: all, select: all}]\ndeploy: {run: 'true'}\n"})
	})
	var out bytes.Buffer
	Main(t.Context(), []string{"doctor", "--plan", "codecommit:shop@main:p.yaml", "--ledger", "file:l"}, Env{Stdout: &out, Stderr: &out, Environ: server.Environ(), Dir: t.TempDir()})
	asked := server.Asked()
	if len(asked) != 2 || asked[0].Action != "codecommit:GetBranch" || asked[1].Action != "codecommit:GetFile" {
		t.Errorf("asked was %v\n%s", asked, &out)
	}
}

func TestElsewhere(t *testing.T) {
	for place, want := range map[string][3]string{
		"../rules.git@main:policy.yaml":                     {"../rules.git", "main", "policy.yaml"},
		"https://git.example.com/org/rules@v1:ops/p.yaml":   {"https://git.example.com/org/rules", "v1", "ops/p.yaml"},
		"git@git.example.com:org/rules.git@main:p.yaml":     {"git@git.example.com:org/rules.git", "main", "p.yaml"},
		"ssh://git@git.example.com:22/org/rules@main:p@b.y": {"ssh://git@git.example.com:22/org/rules", "main", "p@b.y"},
		"https://ada:secret@git.example.com/x@a/b:p.yaml":   {"https://ada:secret@git.example.com/x", "a/b", "p.yaml"},
		"policy.yaml":    {},
		"ops/a@b.yaml":   {},
		"@main:x":        {},
		"/abs/p.yaml":    {},
		"rules@policy.y": {},
	} {
		repository, ref, name, ok := elsewhere(place)
		if got := [3]string{repository, ref, name}; got != want || ok != (want != [3]string{}) {
			t.Errorf("%s: %q, %v", place, got, ok)
		}
	}
}
