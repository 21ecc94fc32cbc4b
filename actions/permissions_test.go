package actions

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// endpoints are what GitHub's documentation says of the permission that each needs. A write goes for a read as well.
var endpoints = []struct{ request, permission string }{
	{"GET $", ""}, // the repository itself, which every token of it shows
	{"GET /git/", "contents: read"},
	{"(POST|PATCH|DELETE) /git/", "contents: write"},
	{"POST /statuses/", "statuses: write"},
	{"GET /commits/[^/]+/status$", "statuses: read"},
	{"GET /commits/[^/]+/check-runs$", "checks: read"},
	{"(POST|PATCH) /check-runs", "checks: write"},
	{"GET /check-runs/", "checks: read"},
	{"GET /deployments", "deployments: read"},
	{"POST /deployments", "deployments: write"},
	{"GET /commits/[^/]+/pulls$", "pull-requests: read"},
	{"GET /pulls", "pull-requests: read"},
	{"GET /issues/[0-9]+/comments$", "pull-requests: read"},
	{"(POST|PATCH) /issues/", "pull-requests: write"},
	{"GET /actions/", "actions: read"},
	{"POST /actions/", "actions: write"},
}

// needs are the least permissions for requests.
func needs(t *testing.T, asked []string) []string {
	t.Helper()
	of := make(map[string]string)
	for _, request := range asked {
		i := slices.IndexFunc(endpoints, func(e struct{ request, permission string }) bool {
			return regexp.MustCompile("^" + e.request).MatchString(request)
		})
		if i < 0 {
			t.Fatalf("nobody knows what %s needs", request)
		}
		what, right, needed := strings.Cut(endpoints[i].permission, ": ")
		if !needed {
			continue
		}
		of[what] = max(of[what], right) // read, write
	}
	var all []string
	for what, right := range of {
		all = append(all, what+": "+right)
	}
	slices.Sort(all)
	return all
}

// granted are the permissions that a row of the README's table names, with those of breakwater where the row adds to them.
func granted(t *testing.T, row string) []string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "### What it asks GitHub for\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || !strings.Contains(cells[0], row) {
			continue
		}
		var all []string
		for _, m := range regexp.MustCompile("`([a-z-]+: [a-z]+)`").FindAllStringSubmatch(cells[2], -1) {
			all = append(all, m[1])
		}
		if strings.HasPrefix(cells[2], "and ") || strings.HasPrefix(cells[2], "as ") {
			all = append(all, granted(t, "| `breakwater`")...)
		}
		slices.Sort(all)
		return all
	}
	t.Fatalf("the README has no row for %s", row)
	return nil
}

// TestPermissions runs each action against GitHub and compares what it asked for with what the README tells to permit: no
// less, and no more.
func TestPermissions(t *testing.T) {
	t.Parallel()
	const simple = `version: 1
service: shop
environment: production
targets: [{name: a}]
waves: [{name: all, select: all}]
deploy: {run: "true"}
bake: {min: 0s, every: 10s}
checks: [{name: smoke, run: "true"}]
`
	parked := strings.Replace(simple, "min: 0s", "min: 30m, wait: park", 1)
	run := []string{"run", "--first-release"}
	for _, c := range []struct {
		row    string
		plan   string
		before [][]string // commands whose requests do not count
		args   [][]string
		code   int
		also   []string // permissions that no request shows
	}{
		{row: "| `breakwater`", plan: simple, args: [][]string{run}},
		{row: "`comment: true`", plan: simple, args: [][]string{append(run, "--comment")}},
		{row: "`check-run: true`", plan: simple, args: [][]string{append(run, "--check-run")}},
		{row: "`deployments: true`", plan: simple, args: [][]string{append(run, "--deployments")}},
		{row: "`requires`", plan: simple + "requires: {statuses: [unit]}\n", args: [][]string{run}},
		{row: "actions/rollback`", plan: simple, before: [][]string{run, {"run", "--version", "v2"}}, args: [][]string{{"rollback", "--reason", "x"}}},
		{row: "`promote`", plan: parked, before: [][]string{run}, args: [][]string{{"promote", "--reason", "x"}}},
		{row: "actions/start`", plan: twelve, args: [][]string{append([]string{"start"}, run[1:]...), {"bake"}}},
		{row: "actions/plan`", plan: simple, args: [][]string{{"plan"}}, also: []string{"contents: read"}},
		{row: "`check`", plan: simple, args: [][]string{{"check"}}, also: []string{"contents: read"}},
		{row: "actions/report`", plan: simple, before: [][]string{run}, args: [][]string{{"report"}}},
		{row: "actions/tick`", plan: parked, before: [][]string{run}, args: [][]string{{"tick"}}},
		{row: "`breakwater doctor`", plan: simple, args: [][]string{{"doctor"}}},
		{row: "actions/gate`", plan: simple, before: [][]string{run}, args: [][]string{{"gate", "--sync"}}},
	} {
		t.Run(c.row, func(t *testing.T) {
			t.Parallel()
			m := newMatrix(t, c.plan)
			m.forge.Look(func(all *githubtest.State) {
				all.Pulls = []githubtest.Pull{{Number: 1, Merged: m.sha, Base: "main"}, {Number: 2, SHA: commit(m.forge, "two"), Base: "main"}}
				all.Checks = []githubtest.Check{{ID: 1, SHA: m.sha, Name: "unit", Status: "completed", Conclusion: "success"}}
				all.Runs[0].Status, all.Runs[0].Created = "completed", time.Now()
			})
			for _, args := range c.before {
				m.breakwater(core.ExitDone, args...)
			}
			if c.plan == parked {
				m.ahead = time.Hour // the bake is over
			}
			began := len(m.forge.Asked())
			for _, args := range c.args {
				if args[0] == "bake" {
					m.ends("deploy", []string{"a1"}, nil)
				}
				m.breakwater(core.ExitDone, args...)
			}
			got := append(needs(t, m.forge.Asked()[began:]), c.also...)
			slices.Sort(got)
			if want := granted(t, c.row); !slices.Equal(got, want) {
				t.Errorf("it needs %s; the README says %s", fmt.Sprint(got), fmt.Sprint(want))
			}
		})
	}
}
