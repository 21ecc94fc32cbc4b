package awstest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Policy is what the first policy of IAM allows that a page shows below a heading, in the order of the page.
func Policy(t testing.TB, page, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, _ := strings.Cut(section, "\n```json\n")
	block, _, _ = strings.Cut(block, "```")
	var policy struct{ Statement []struct{ Action []string } }
	if err := json.Unmarshal([]byte(block), &policy); !found || err != nil {
		t.Fatalf("the policy below %q of %s: %v", heading, page, err)
	}
	var actions []string
	for _, s := range policy.Statement {
		actions = append(actions, s.Action...)
	}
	return actions
}
