package ledger

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/s3test"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// TestS3Policy does everything that a ledger does: the policy in docs/ledger.md allows that, and nothing else.
func TestS3Policy(t *testing.T) {
	text, err := os.ReadFile("../../docs/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindSubmatch(text)
	var policy struct {
		Statement []struct {
			Action, Resource any
			Condition        struct{ StringLike map[string]string }
		}
	}
	if err := json.Unmarshal(block[1], &policy); err != nil {
		t.Fatal(err)
	}
	allowed := make(map[string]string) // action: what the key or prefix begins with
	for _, s := range policy.Statement {
		actions, several := s.Action.([]any)
		if !several {
			actions = []any{s.Action}
		}
		within := strings.TrimPrefix(s.Resource.(string), "arn:aws:s3:::my-ledgers/")
		if prefix := s.Condition.StringLike["s3:prefix"]; prefix != "" {
			within = prefix
		}
		for _, a := range actions {
			allowed[a.(string)] = strings.TrimSuffix(within, "*")
		}
	}
	server := s3test.New(t)
	l := open(t, "s3://"+s3test.Bucket+"/checkout", onS3(server))
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	length(t, l)
	for _, due := range []time.Time{noon, {}} {
		was := core.Marker{Line: line}
		if all := ledgertest.Parked(t, l); len(all) > 0 {
			was = all[0]
		}
		if err := l.Park(t.Context(), was, due); err != nil {
			t.Fatal(err)
		}
	}
	used := make(map[string]bool)
	for _, asked := range server.Asked() {
		action, key, _ := strings.Cut(asked, " ")
		used[action] = true
		if within, ok := allowed[action]; !ok || !strings.HasPrefix(key, within) {
			t.Errorf("the policy does not allow %s", asked)
		}
	}
	if got, want := slices.Sorted(maps.Keys(allowed)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("the policy allows %q, a ledger uses %q", got, want)
	}
}
