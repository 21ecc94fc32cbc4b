package core

import (
	"strings"
	"testing"
)

// TestFill: what is filled in is data: it is not looked at again.
func TestFill(t *testing.T) {
	act := Act{Version: "{{target}}", Target: Target{Name: "use1-a", Labels: map[string]string{"region": "us-east-1", "empty": ""}}}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "{{target}}-{{labels.region}}": "use1-a-us-east-1", "{{version}}": "{{target}}", "{{labels.empty}}x": "x", "{a}}": "{a}}",
	} {
		if got, err := act.Fill(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"{{labels.zone}}": `the target use1-a has no label zone, which "{{labels.zone}}" needs`,
		"{{labels.}}":     "has no label", "{{wave}}": "nobody knows {{wave}}; known: {{target}}, {{version}}, {{labels.NAME}}", "{{target": "",
	} {
		if got, err := act.Fill(text); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}
