package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/command"
)

// TestECSWentBack: a target that ECS itself has taken back, after its wave had passed, takes the whole rollout back. Where the
// plan halts instead it is no success however often somebody runs it again, and goes back by hand. No hook is left.
func TestECSWentBack(t *testing.T) {
	t.Run("by itself", func(t *testing.T) { ecsWentBack(t, "") })
	t.Run("by hand", func(t *testing.T) { ecsWentBack(t, "rollback: {when: [check]}\n") })
}

func ecsWentBack(t *testing.T, rollback string) {
	clock := &jumping{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	cloud := awstest.New(t, clock.Now)
	for i, region := range regions {
		cloud.Look(region, func(s *awstest.State) {
			service := &awstest.Service{Strategy: "CANARY"}
			s.Services["main/shop"] = service
			s.Shift("main/shop", s.Register(map[string]any{"family": "shop", "containerDefinitions": []any{map[string]any{"name": "web", "image": "shop:v1"}}}, nil)).Status = "SUCCESSFUL"
			service.StartsShift = func(d *awstest.Shift) {
				if i == 1 && s.Image(d.To) == "shop:v2" {
					d.Alarm = "errors" // once ECS was told to continue
				}
			}
		})
	}
	dir := t.TempDir()
	plan := `
version: 1
service: shop
environment: production
targets: [{name: a, labels: {region: eu-west-1}}, {name: b, labels: {region: us-east-1}}]
waves: [{name: first, select: {region: eu-west-1}}, {name: rest, select: all}]
deploy: {aws-ecs: {cluster: main, service: shop, container: web, image: "shop:{{version}}", pause: 12h, aws: {region: "{{labels.region}}"}}, timeout: 2h}
bake: {min: 1h}
` + rollback
	if err := os.WriteFile(filepath.Join(dir, "breakwater.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	does := func(want int, says string, runs string, args ...string) {
		t.Helper()
		var out strings.Builder
		code := command.Main(t.Context(), args, command.Env{Stdout: &out, Stderr: &out, Dir: dir, Clock: clock,
			Environ: append(cloud.Environ(), "PATH="+os.Getenv("PATH"))})
		if code != want || !strings.Contains(out.String(), says) {
			t.Errorf("exit code %d; want %d and %q:\n%s", code, want, says, out.String())
		}
		var got []string
		for _, region := range regions {
			cloud.Look(region, func(s *awstest.State) {
				service := s.Services["main/shop"]
				if service.Busy() {
					t.Errorf("%s is busy", region)
				}
				got = append(got, strings.TrimPrefix(s.Image(service.Definition), "shop:"))
			})
		}
		if strings.Join(got, " ") != runs {
			t.Errorf("they run %v; want %s", got, runs)
		}
	}
	const went = "Wave rest has passed, and b did not take that: deployment 2 of main/shop to shop:2 ended with ROLLBACK_SUCCESSFUL: an alarm was triggered"
	if rollback == "" {
		does(core.ExitRolledBack, went, "v1 v1", "run", "--version", "v2", "--previous", "v1")
	} else {
		does(core.ExitHalted, went, "v2 v1", "run", "--version", "v2", "--previous", "v1")
		does(core.ExitHalted, went, "v2 v1", "run", "--version", "v2")
		does(core.ExitDone, "", "v1 v1", "rollback", "--reason", "it went back")
	}
	for _, region := range regions {
		cloud.Look(region, func(s *awstest.State) {
			if hooks, _ := s.Services["main/shop"].Config["lifecycleHooks"].([]any); len(hooks) != 0 {
				t.Errorf("%s has the hooks %v", region, hooks)
			}
		})
	}
}
