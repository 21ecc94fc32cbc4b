package deploy_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/deploy/deploytest"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// A cloud is AWS, and a driver that deploys to it.
type cloud struct {
	*awstest.Server
	t       *testing.T
	kind    string
	options any
	clock   core.Clock
	timeout time.Duration
}

func newCloud(t *testing.T, kind string, options any) *cloud {
	clock := &ticking{now: noon}
	c := &cloud{Server: awstest.New(t, clock.Now), t: t, kind: kind, options: options, clock: clock, timeout: time.Minute}
	t.Cleanup(func() { c.permitted(t) })
	return c
}

// permitted compares what was asked for with the policy that docs/drivers.md shows for the driver.
func (c *cloud) permitted(t *testing.T) {
	policy := policyOf(t, c.kind)
	usedLock.Lock()
	defer usedLock.Unlock()
	if used[c.kind] == nil {
		used[c.kind] = make(map[string]bool)
	}
	for _, a := range c.Asked() {
		if strings.HasPrefix(a.Action, "sts:") {
			continue
		}
		used[c.kind][a.Action] = true
		if !slices.Contains(policy, a.Action) {
			t.Errorf("the policy of %s lacks %s", c.kind, a.Action)
		}
	}
}

// used are the actions that tests of this process have seen, by driver.
var (
	usedLock sync.Mutex
	used     = make(map[string]map[string]bool)
)

// policyOf reads the actions in the section of a driver.
func policyOf(t *testing.T, kind string) []string {
	return awstest.Policy(t, "../../docs/drivers.md", "## `"+kind+"`")
}

// implied are actions that nobody asks for by themselves: AWS wants them permitted for what others do.
var implied = []string{"ecs:TagResource", "iam:PassRole"}

// leastPrivilege runs after the tests of a driver: its policy permits nothing that none of them has seen.
func leastPrivilege(t *testing.T, kind string) {
	usedLock.Lock()
	defer usedLock.Unlock()
	for _, action := range policyOf(t, kind) {
		if !slices.Contains(implied, action) && !used[kind][action] {
			t.Errorf("nothing needs %s", action)
		}
	}
}

func (c *cloud) open() core.Driver {
	c.t.Helper()
	env := map[string]string{"DEPLOY_TOKEN": deploytest.Secret}
	for _, v := range c.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	driver, err := deploy.Open(c.kind, c.options, deploy.Env{
		Shell: shell.New(c.t.TempDir(), []string{"DEPLOY_TOKEN=" + deploytest.Secret}), Timeout: c.timeout, Clock: c.clock,
		Lookup: func(name string) string { return env[name] },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return driver
}

// world is what the suite sees of a cloud: what a target runs in it, whether something is at work, and how much was begun.
func (c *cloud) world(b deploytest.Behavior, behave func(deploytest.Behavior), version func(s *awstest.State, target string) string, busy func(*awstest.State) bool, begins string) deploytest.World {
	behave(b)
	moving := c.clock
	if b == deploytest.Hangs {
		c.clock = new(still)
	}
	return deploytest.World{
		Driver: c.open(), Behave: behave, Proves: true,
		Another: func() core.Driver {
			c.clock, c.timeout = moving, time.Minute
			return c.open()
		},
		Version: func(target string) (v string) {
			c.Look(home, func(s *awstest.State) { v = version(s, target) })
			return v
		},
		Busy: func() (is bool) {
			c.Look(home, func(s *awstest.State) { is = busy(s) })
			return is
		},
		Begun: func() int { return c.count(begins) },
	}
}

// deploy carries out one act and compares the error with what it must say; empty: none.
func (c *cloud) deploy(ctx context.Context, a core.Act, want string) string {
	c.t.Helper()
	output, err := c.open().Deploy(ctx, a)
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		c.t.Errorf("%v; want %q\n%s", err, want, output)
	}
	return output
}

// actions are what was asked for, in order.
func (c *cloud) actions() (all []string) {
	for _, a := range c.Asked() {
		_, name, _ := strings.Cut(a.Action, ":")
		all = append(all, name)
	}
	return all
}

func (c *cloud) count(action string) (n int) {
	return len(slices.DeleteFunc(c.actions(), func(a string) bool { return a != action }))
}

// A ticking clock is at once where somebody waits for, and may be read beside that.
type ticking struct {
	mu    sync.Mutex
	now   time.Time
	waits func(now time.Time) // told at each wait; may be nil
}

func (c *ticking) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *ticking) Wait(ctx context.Context, until time.Time) error {
	c.mu.Lock()
	c.now = until
	c.mu.Unlock()
	if c.waits != nil {
		c.waits(until)
	}
	return ctx.Err()
}

// back is the act that puts the previous version back.
func back() core.Act {
	a := act()
	a.Rollback, a.Version, a.Previous = true, "v1", "v2"
	return a
}

// again is an act after one that was cut off.
func again(a core.Act) core.Act {
	a.Attempt++
	return a
}

// throttles has AWS refuse the first n requests for an action.
func throttles(action string, n int) awstest.Meddler {
	return func(got string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if got == action && n > 0 {
			n--
			return nil, &awstest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return serve()
	}
}

// losesAnswers has the first n requests for an action be carried out, and cuts the connection.
func losesAnswers(action string, n int) awstest.Meddler {
	return func(got string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		out, fault := serve()
		if got == action && n > 0 {
			n--
			return nil, &awstest.Fault{Lost: true}
		}
		return out, fault
	}
}
