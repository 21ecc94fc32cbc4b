package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var update = flag.Bool("update", false, "write the golden files")

const plans = "../../testdata/plans"

// The options of two sources that look like the real ones.
type (
	prometheus struct {
		URL      core.Secret            `json:"url" jsonschema_description:"Address of the server."`
		Headers  map[string]core.Secret `json:"headers,omitempty" jsonschema_description:"Headers to send."`
		Basic    *basic                 `json:"basic,omitempty" jsonschema_description:"Basic authentication."`
		Bearer   core.Secret            `json:"bearer,omitempty" jsonschema_description:"Token."`
		TLS      *certificates          `json:"tls,omitempty" jsonschema_description:"Whom to trust."`
		Timeout  time.Duration          `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer."`
		Interval time.Duration          `json:"interval,omitempty" jsonschema_description:"Time between two samples."`
	}
	basic struct {
		User     string      `json:"user" jsonschema_description:"User name."`
		Password core.Secret `json:"password" jsonschema_description:"Password."`
	}
	certificates struct {
		CA                 string `json:"ca,omitempty" jsonschema_description:"File with certificates."`
		InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty" jsonschema_description:"Trust anyone."`
	}
	scrape struct {
		Targets  endpoint      `json:"targets" jsonschema_description:"What to scrape."`
		Interval time.Duration `json:"interval,omitempty" jsonschema_description:"Time between two scrapes."`
		Timeout  time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one scrape."`
	}
	endpoint struct {
		URL    string `json:"url" jsonschema_description:"Address; {{target}} is the target's name."`
		Scheme string `json:"scheme,omitempty" jsonschema_description:"Form of the answer." jsonschema:"enum=text,enum=proto"`
	}
)

// balanced is a query language of brackets: enough to see that queries reach the checker as they are written.
func balanced(query string) error {
	if strings.Count(query, "(") != strings.Count(query, ")") {
		return errors.New("1:4: parse error: unclosed left parenthesis")
	}
	return nil
}

func catalog() Catalog {
	return Catalog{
		Sources: map[string]SourceKind{
			"prometheus": {Options: new(prometheus), CheckQuery: balanced, Alarms: true},
			"scrape":     {Options: new(scrape), CheckQuery: balanced},
		},
		Drivers: map[string]any{"aws-codebuild": new(core.CodeBuild), "aws-codedeploy": new(core.CodeDeploy), "aws-codepipeline": new(core.CodePipeline), "aws-ecs": new(core.ECS), "aws-lambda": new(core.Lambda), "github-workflow": new(core.Workflow),
			"gitlab-job": new(core.ManualJob), "gitlab-pipeline": new(core.Pipeline), "run": new(core.Command)},
		Rules: []string{"BW003", "BW012"},
	}
}

// twoDrivers has a second driver, as a later version will.
func twoDrivers() Catalog {
	c := catalog()
	c.Drivers["drill"] = new(struct {
		Depth int `json:"depth" jsonschema_description:"How deep."`
	})
	return c
}

func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"PROMETHEUS_URL": "https://prom.example.com", "SLACK_TOKEN": "xoxb", "EMPTY": "",
		"PROM_USER": "me", "PROM_PASSWORD": "${NOT_FILLED} $$ \"x",
	}[name]
	return value, ok
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(plans, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return found
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGoodPlans(t *testing.T) {
	for _, file := range files(t, "good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := Load(file, read(t, file), environment, catalog()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestBadPlans compares every mistake of every bad plan with its golden file.
func TestBadPlans(t *testing.T) {
	for _, file := range files(t, "bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			plan, err := Load(filepath.Base(file), read(t, file), environment, catalog())
			if err == nil {
				t.Fatalf("accepted as %+v", plan)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", []byte(err.Error()+"\n"))
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, file); !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant (%s; go test -update writes it):\n%s", got, file, want)
	}
}

func load(t *testing.T, name string) *core.Plan {
	t.Helper()
	plan, err := Load(name, read(t, filepath.Join(plans, "good", name)), environment, catalog())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func TestDesignPlan(t *testing.T) {
	p := load(t, "design.yaml")
	equal(t, "line", p.Line().String(), "checkout/production")
	equal(t, "last target", p.Targets.List[2],
		core.Target{Name: "euw1-a", Labels: map[string]string{"region": "eu-west-1"}, Weight: 2, Timezone: "Europe/Dublin"})
	equal(t, "weight", p.Targets.List[0].Weight, 1.0)
	equal(t, "select", p.Waves[0].Select, core.Select{Labels: map[string][]string{"tier": {"onebox"}}})
	equal(t, "all", p.Waves[2].Select, core.Select{All: true})
	equal(t, "split", *p.Waves[2].Split, core.Split{
		By: "region", First: number(1), Growth: 2, Max: core.Amount{Percent: 25, Set: true}, Spread: "continent",
	})
	equal(t, "deploy", p.Deploy, core.Deploy{
		Driver: "run", Options: &core.Command{Script: "./deploy.sh", Shell: "sh"},
		Timeout: 15 * time.Minute, Parallel: number(4), Tolerate: number(0),
	})
	equal(t, "rollback", p.Rollback, core.Rollback{
		When: []core.Trigger{core.TriggerDeploy, core.TriggerCheck}, Scope: core.ScopeRollout, Driver: "run",
		Options: &core.Command{Script: "./deploy.sh", Shell: "sh"}, Timeout: 15 * time.Minute,
		Parallel: core.Amount{Percent: 33, Set: true}, Verify: 10 * time.Minute,
	})
	equal(t, "current", *p.Current, core.Current{
		Run: core.Command{Script: "./current-version.sh", Shell: "sh"}, Timeout: 30 * time.Second,
	})
	equal(t, "windows", *p.Windows, core.Windows{
		Allow: []core.Hours{{Days: [7]bool{1: true, 2: true, 3: true, 4: true}, From: 9 * time.Hour, To: 16 * time.Hour,
			Zone: core.ZoneTarget, Text: "Mon-Thu 09:00-16:00 target"}},
		Freeze: []core.Freeze{{From: day(2026, 12, 18), To: day(2027, 1, 4), Why: "holidays"}}, MustFinish: true, Timezone: "UTC",
	})
	equal(t, "url", p.Sources["prom"].Options.(*prometheus).URL.Reveal(), "https://prom.example.com")
	equal(t, "react", p.Checks[0].React,
		core.Reactions{Fail: core.ReactHalt, Inconclusive: core.ReactHalt, Error: core.ReactHalt})
	equal(t, "breaches", p.Checks[0].Threshold.Breaches, core.Breaches{M: 1, N: 1})
	equal(t, "given breaches", p.Checks[1].Threshold.Breaches, core.Breaches{M: 3, N: 5})
	equal(t, "min", *p.Checks[1].Threshold.Min, 0.0)
	equal(t, "check timeout", p.Checks[0].Timeout, 30*time.Second)
	equal(t, "emergency", *p.Emergency, core.Emergency{MinBake: 5 * time.Minute})
	equal(t, "activate", p.Activate, true)
	equal(t, "requires", *p.Requires, core.Requires{Statuses: []string{"build", "integration"}, Timeout: 30 * time.Minute})
	equal(t, "on_newer", p.OnNewer, core.NewerSupersedes)
	equal(t, "notify", p.Notify[0].Reveal(), "slack://xoxb@channel")

	one := p.Waves[0].Bake
	equal(t, "wave's own min", one.Min, time.Hour)
	equal(t, "plan's max", one.Max, 4*time.Hour)
	equal(t, "plan's until", one.Until, p.Bake.Until)
}

func TestWaivers(t *testing.T) {
	p := load(t, "waive.yaml")
	equal(t, "waivers", p.Waive, []core.Waiver{
		{Rule: "BW003", Why: "the checks come with the next sprint", Until: core.Date{Year: 2027, Month: 3, Day: 1}},
		{Rule: "BW012", Why: "no such command yet", Until: core.Date{Year: 2028, Month: 2, Day: 29}},
	})
}

// TestPlaces: a field is found where the file has it, and what the file does not have is nowhere.
func TestPlaces(t *testing.T) {
	file := filepath.Join(plans, "good", "design.yaml")
	p, places, err := LoadPlaces(file, read(t, file), environment, catalog())
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		fields []any
		want   string
	}{
		"a value":              {[]any{&p.Deploy.Timeout}, "15m"},
		"a value of a wave":    {[]any{&p.Waves[0].Bake.Min, &p.Bake.Min}, "1h}"},
		"an inherited value":   {[]any{&p.Waves[1].Bake.Min, &p.Bake.Min}, "30m"},
		"an element":           {[]any{&p.Checks[2]}, "name: smoke"},
		"options":              {[]any{p.Sources["prom"].Options}, "{type: prometheus"},
		"an option":            {[]any{&p.Sources["prom"].Options.(*prometheus).URL}, `"${PROMETHEUS_URL}"`},
		"nothing that is here": {[]any{&p.Waves[1].Bake, nil, 7}, "version: 1"},
	} {
		line, column := places.At(c.fields...)
		if got := strings.Split(string(read(t, file)), "\n")[line-1][column-1:]; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s is at %q, not at %q", what, got, c.want)
		}
	}
	equal(t, "given", places.Given(&p.Deploy.Timeout), true)
	equal(t, "not given", places.Given(&p.Checks[0].Timeout), false)
}

func day(y, m, d int) core.Moment {
	return core.Moment{At: time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC), Local: true, Day: true}
}

func TestDefaults(t *testing.T) {
	p := load(t, "least.yaml")
	equal(t, "bake", p.Bake, core.Bake{Min: 30 * time.Minute, Max: 2 * time.Hour, Every: time.Minute, Wait: "inline"})
	equal(t, "wave's bake", p.Waves[0].Bake, p.Bake)
	equal(t, "precheck", p.Precheck, true)
	equal(t, "rollback", p.Rollback, core.Rollback{
		When: []core.Trigger{core.TriggerDeploy, core.TriggerCheck}, Scope: core.ScopeRollout,
		Timeout: 30 * time.Minute, Parallel: number(1),
	})

	p = load(t, "file.yaml")
	equal(t, "explicit empty list", p.Rollback.When, []core.Trigger{})
	equal(t, "precheck", p.Precheck, false)
	equal(t, "explicit zero", p.Bake, core.Bake{Every: time.Minute, Wait: "inline"})
	equal(t, "rollback parallel as deploy", p.Rollback.Parallel, core.Amount{Percent: 50, Set: true})
	equal(t, "split", *p.Waves[1].Split, core.Split{First: number(1), Growth: 2, Max: number(10)})

	p = load(t, "run.yaml")
	equal(t, "max follows the wave's min", p.Waves[0].Bake.Max, 20*time.Hour)
	equal(t, "wave's max", p.Waves[1].Bake.Max, 48*time.Hour)
	basic := p.Sources["prom"].Options.(*prometheus).Basic
	equal(t, "filled text is not looked at again", basic.Password.Reveal(), "${NOT_FILLED} $$ \"x")
	equal(t, "dollar", p.Sources["prom"].Options.(*prometheus).Headers["X-Price"].Reveal(), "5$")
}

// TestNoLookup leaves ${NAME} as written, but still sees one that could never be filled.
func TestNoLookup(t *testing.T) {
	file := filepath.Join(plans, "good", "run.yaml")
	p, err := Load(file, read(t, file), nil, catalog())
	if err != nil {
		t.Fatal(err)
	}
	options := p.Sources["prom"].Options.(*prometheus)
	equal(t, "name", options.Basic.User, "${PROM_USER}")
	equal(t, "dollar", options.Headers["X-Price"].Reveal(), "5$$")
}

func TestFreshOptions(t *testing.T) {
	c := catalog()
	file := filepath.Join(plans, "good", "design.yaml")
	if _, err := Load(file, read(t, file), environment, c); err != nil {
		t.Fatal(err)
	}
	equal(t, "catalog", c.Sources["prometheus"].Options, any(new(prometheus)))
	equal(t, "driver", c.Drivers["run"], any(new(core.Command)))
}

func TestTwoDrivers(t *testing.T) {
	text := string(read(t, filepath.Join(plans, "good", "least.yaml")))
	with := func(drivers string) []byte { return []byte(strings.Replace(text, "run: ./deploy.sh", drivers, 1)) }
	p, err := Load("p", with("drill: {depth: 3}"), nil, twoDrivers())
	if err != nil || p.Deploy.Driver != "drill" {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = Load("p", with("run: x, drill: {depth: 3}"), nil, twoDrivers())
	if err == nil || !strings.Contains(err.Error(), "run and drill cannot both do it") {
		t.Fatal(err)
	}
}

func TestTargets(t *testing.T) {
	want := []core.Target{{Name: "a", Weight: 1}, {Name: "b", Labels: map[string]string{"x": "é/\n😀"}, Weight: 2}}
	for name, text := range map[string]string{
		"JSON": `[{"name":"a"},{"name":"b","labels":{"x":"\u00e9\/\n\ud83d\ude00"},"weight":2}]` + "\n",
		"indented JSON": "[\n\t{\n\t\t\"name\": \"a\"\n\t},\n" +
			"\t{\"name\": \"b\", \"labels\": {\"x\": \"é/\\n😀\"}, \"weight\": 2}\n]",
		"YAML": "- name: a\n- {name: b, labels: {x: \"é/\\n😀\"}, weight: 2}\n",
	} {
		got, err := Targets("targets", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, name, got, want)
	}
	for text, message := range map[string]string{
		"":                                  "targets:1:1: there is nothing here",
		"[]":                                "targets:1:1: an empty list does not fit here",
		"{a: b}":                            "targets:1:1: a mapping does not fit here",
		"could not connect":                 "targets:1:1: the text",
		`[{"name":"a"},{"name":"a"}]`:       "targets:1:23: there are two targets \"a\"",
		`[{"name":"a b"}]`:                  "targets:1:10: the text \"a b\" is not right for name",
		`[{"name":"a","timezone":"utc+1"}]`: "targets:1:25: the text \"utc+1\" is not right for timezone",
	} {
		if _, err := Targets("targets", []byte(text)); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%q: %v, want %q", text, err, message)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := Find(dir); err == nil || !strings.Contains(err.Error(), "no plan below") {
		t.Fatal(err)
	}
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := write(".gitlab/breakwater.yml")
	if got, err := Find(dir); got != want || err != nil {
		t.Fatalf("%s, %v; want %s", got, err, want)
	}
	write("breakwater.yaml")
	if got, err := Find(dir); err == nil || !strings.Contains(err.Error(), "more than one plan") {
		t.Fatalf("%s, %v", got, err)
	}
}

// TestMistakesAreShort prints neither a megabyte of one line nor a hundred thousand mistakes.
func TestMistakesAreShort(t *testing.T) {
	list := make([]map[string]string, 20_000)
	for i := range list {
		list[i] = map[string]string{"nam": "x"}
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Targets("targets", text)
	if mistakes, ok := errors.AsType[Mistakes](err); !ok || len(mistakes) != len(list) {
		t.Fatalf("%d mistakes, want %d", len(mistakes), len(list))
	}
	if n := len(err.Error()); n > 50_000 {
		t.Errorf("%d bytes", n)
	}
}

func BenchmarkTargets(b *testing.B) {
	list := make([]core.Target, 100_000)
	for i := range list {
		list[i] = core.Target{Name: "t-" + strconv.Itoa(i), Labels: map[string]string{"region": "us-east-1"}, Weight: 1}
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Targets("targets", text); err != nil {
			b.Fatal(err)
		}
	}
}
