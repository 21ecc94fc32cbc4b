package command_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core/command"
)

// TestNotify halts a rollout that tells two receivers: one listens, one is gone. The one that is gone is complained
// about, without its secret, and changes nothing.
func TestNotify(t *testing.T) {
	var heard []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ State, Line, Text string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		heard = append(heard, body.State)
		if body.Line != "shop/test" || body.Text == "" {
			t.Errorf("%+v", body)
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	dir := t.TempDir()
	plan := fmt.Sprintf(`
version: 1
service: shop
environment: test
targets: [{name: a}]
waves: [{name: all, select: all}]
deploy: {run: "echo no; exit 3"}
rollback: {when: [deploy], run: "true"}
bake: {min: 0s}
notify: [%q, "%s/${HOOK_TOKEN}"]
`, server.URL, gone.URL)
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	code := command.Main(t.Context(), []string{"run", "--version", "v2", "--previous", "v1"}, command.Env{
		Stdout: &stdout, Stderr: &stderr, Dir: dir, Environ: []string{"PATH=" + os.Getenv("PATH"), "HOOK_TOKEN=s3cr3t-hook"},
	})
	if code != 5 {
		t.Errorf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	if want := []string{"rolling-back", "rolled-back"}; !slices.Equal(heard, want) {
		t.Errorf("heard %v, want %v", heard, want)
	}
	if !strings.Contains(stderr.String(), "not notified") || strings.Contains(stdout.String()+stderr.String(), "s3cr3t-hook") {
		t.Errorf("standard error:\n%s", stderr.String())
	}
}

// TestNotifyOverrides tells of what humans do: an emergency, a promote of what is halted, and the end that it brings.
func TestNotifyOverrides(t *testing.T) {
	var heard []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			State, Reason string
			Overrides     []struct{ Kind, Reason string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		said := body.State
		for _, o := range body.Overrides {
			said += ", " + o.Kind + ": " + o.Reason
		}
		heard = append(heard, said)
	}))
	defer server.Close()
	dir := t.TempDir()
	plan := fmt.Sprintf(`
version: 1
service: shop
environment: test
targets: [{name: a}]
waves: [{name: all, select: all}]
deploy: {run: "true"}
rollback: {when: []}
bake: {min: 1h, every: 100ms}
checks: [{name: smoke, run: exit 1}]
precheck: false
emergency: {min_bake: 200ms}
notify: [%q]
`, server.URL)
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{4, []string{"run", "--version", "v2", "--previous", "v1", "--emergency", "--reason", "it burns"}},
		{0, []string{"promote", "--reason", "it is out"}},
	} {
		var out strings.Builder
		code := command.Main(t.Context(), c.args, command.Env{Stdout: &out, Stderr: &out, Dir: dir, Environ: []string{"PATH=" + os.Getenv("PATH")}})
		if code != c.code {
			t.Errorf("%v: exit code %d\n%s", c.args, code, out.String())
		}
	}
	want := []string{"pending, emergency: it burns", "halted, emergency: it burns",
		"baking, emergency: it burns, promote: it is out", "succeeded, emergency: it burns, promote: it is out"}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q\nwant %q", heard, want)
	}
}
