package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// jumping is a clock that is at once where somebody waits for.
type jumping struct{ now time.Time }

func (c *jumping) Now() time.Time { return c.now }

func (c *jumping) Wait(ctx context.Context, until time.Time) error {
	c.now = until
	return ctx.Err()
}

// A held is a driver whose targets wait to be told that their wave has passed.
type held struct{ core.Driver }

func (held) Holds() bool                                       { return true }
func (held) Confirm(context.Context, core.Act) (string, error) { return "told", nil }

// TestProvenHolds: what is proven may wait as well, and is proven again once it was told.
func TestProvenHolds(t *testing.T) {
	run := shell.New(t.TempDir(), []string{"PATH=" + os.Getenv("PATH")})
	proven := func(d core.Driver, runs string) core.Confirmer {
		return deploy.Proven(d, deploy.Current{Command: core.Command{Script: "echo " + runs}, Timeout: time.Second, Shell: run, Clock: new(jumping)}).(core.Confirmer)
	}
	act := core.Act{Target: core.Target{Name: "a"}, Version: "v2", Attempt: 1}
	if proven(nil, "v2").Holds() || !proven(held{}, "v2").Holds() {
		t.Error("it is not the driver that says whether its targets wait")
	}
	if output, err := proven(held{}, "v2").Confirm(t.Context(), act); err != nil || output != "told" {
		t.Errorf("%q, %v", output, err)
	}
	if _, err := proven(held{}, "v1").Confirm(t.Context(), act); err == nil || !strings.Contains(err.Error(), "a runs v1, not v2") {
		t.Errorf("%v", err)
	}
}

// TestProven deploys with a command that ends well whatever it did, and asks what runs.
func TestProven(t *testing.T) {
	tests := []struct {
		name   string
		deploy string
		says   string // what the error says; empty: none
	}{
		{"the new version runs", `echo "$BREAKWATER_VERSION" >version`, ""},
		{"it shows a little later", `echo "$BREAKWATER_VERSION" >next`, ""},
		{"the old version goes on", `:`, "a runs v1, not v2"},
		{"nobody knows", `rm version`, "nobody knows which version runs: exit"},
		{"two lines", `printf 'v2\nv3\n' >version`, "one line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "version"), []byte("v1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			run := shell.New(dir, []string{"PATH=" + os.Getenv("PATH")})
			driver, err := deploy.Open("run", &core.Command{Script: tt.deploy}, deploy.Env{Shell: run, Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			driver = deploy.Proven(driver, deploy.Current{
				Command: core.Command{Script: `cat version; if [ -e next ]; then mv next version; fi`},
				Timeout: 5 * time.Second, Shell: run, Clock: new(jumping),
			})
			_, err = driver.Deploy(t.Context(), core.Act{Target: core.Target{Name: "a"}, Version: "v2", Previous: "v1", Attempt: 1})
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v, want ... %s ...", err, tt.says)
			}
		})
	}
}
