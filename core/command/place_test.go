package command

import "testing"

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
