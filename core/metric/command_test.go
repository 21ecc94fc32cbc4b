package metric_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/metric/metrictest"
	"github.com/breakwater-ci/breakwater/core/shell"
)

func openCommand(t *testing.T, o metric.CommandOptions) core.Source {
	t.Helper()
	runner := shell.New(t.TempDir(), []string{"PATH=" + os.Getenv("PATH"), "API_TOKEN=" + secret, "BREAKWATER_PLAN=x"})
	runner.Grace = 100 * time.Millisecond
	s, err := metric.Open(core.SourceSpec{Type: "command", Options: &o}, metric.Env{Clock: metrictest.Clock{}, Shell: runner})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.(interface{ Close() error }).Close() })
	return s
}

// askCommand fills a query in and asks it.
func askCommand(t *testing.T, s core.Source, query string, v core.Variables) ([]core.Sample, error) {
	t.Helper()
	filled, err := s.Fill(query, v)
	if err != nil {
		t.Fatal(err)
	}
	return s.Query(t.Context(), core.Query{Text: filled, At: v.At, Window: v.Window})
}

func TestCommandIsTold(t *testing.T) {
	hostile := "'; echo 666; \"$(echo 667)\" `echo 668`\n\\"
	v := core.Variables{
		Targets: []core.Target{{Name: "a"}, {Name: "b;c"}}, Wave: "one-box", Version: hostile, Previous: "<v1>",
		At: time.Now(), Window: 90 * time.Second,
	}
	file := filepath.Join(t.TempDir(), "told")
	s := openCommand(t, metric.CommandOptions{Run: core.Command{Script: `
		printf '%s|' "$BREAKWATER_ACTION" "$BREAKWATER_QUERY" "$BREAKWATER_TARGETS" "$BREAKWATER_WAVE" "$BREAKWATER_VERSION" \
			"$BREAKWATER_PREVIOUS" "$BREAKWATER_AT" "$BREAKWATER_WINDOW_SECONDS" "${BREAKWATER_PLAN-}" "${BREAKWATER_ROLLOUT-}" >` + file + `
		echo 1`}})
	samples, err := askCommand(t, s, "errors of "+hostile, v)
	if err != nil || len(samples) != 1 {
		t.Fatalf("got %v and %v", samples, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "query|errors of " + hostile + "|a b;c|one-box|" + hostile + "|<v1>|" + v.At.UTC().Format(time.RFC3339) + "|90|||"
	if string(text) != want {
		t.Errorf("got  %q\nwant %q", text, want)
	}
	if spans, ok := s.(interface{ Spans() bool }); !ok || !spans.Spans() {
		t.Error("it may cover the window, and does not say so")
	}
}

func TestCommandAnswers(t *testing.T) {
	for script, want := range map[string]string{
		`:`:                           "",
		`echo; echo '# HELP x'`:       "",
		`echo 1.5`:                    "1.5",
		`printf 2`:                    "2",
		`echo errors 3`:               `{__name__="errors"}=3`,
		`echo '{host="a b"} 4'`:       `{host="a b"}=4`,
		`echo 'x{h="\"",i="}"} -5e1'`: `{__name__="x", h="\"", i="}"}=-50`,
		`printf '1\r\n 2 \n\tNaN\n'`:  "1 2 NaN",
		`echo +Inf; echo no >&2`:      "+Inf",
	} {
		samples, err := askCommand(t, openCommand(t, metric.CommandOptions{Run: core.Command{Script: script}}), "", core.Variables{At: time.Now()})
		if err != nil {
			t.Errorf("%s: %v", script, err)
		}
		if got := printed(samples); got != want {
			t.Errorf("%s: got %s, want %s", script, got, want)
		}
	}
}

func TestCommandFails(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		permanent    bool
	}{
		"it fails":                   {`echo 1; echo no route >&2; exit 3`, "the command gave no answer: exit 3: no route", false},
		"it is inconclusive":         {`exit 75`, "the command gave no answer: exit 75", false},
		"it is not found":            {`no-such-command-here`, "exit 127", false},
		"it misses a variable":       {`echo "$BREAKWATER_ROLLOUT"`, "BREAKWATER_ROLLOUT", false},
		"it takes too long":          {`sleep 60`, "the command gave no answer: timed out after 200ms", false},
		"it tells a secret":          {`echo "$API_TOKEN"`, "the answer contains the value of the secret variable API_TOKEN", true},
		"it complains with a secret": {`echo "$API_TOKEN" >&2; exit 1`, "exit 1: ***", false},
		"a text":                     {`echo ok`, `the command printed what is no answer: line 1 ends with "ok", not with a number`, true},
		"a number and a text":        {`echo 1; echo; echo two words`, `line 3 ends with "words", not with a number`, true},
		"HTML":                       {`echo '<html> 1'`, `line 1 begins with "<html>", which is no NAME`, true},
		"a time":                     {`echo 'x{a="b"} 1 1700000000'`, "line 1 begins with", true},
		"a comma":                    {`echo 1,5`, `line 1 ends with "1,5"`, true},
		"too large a number":         {`echo 1e999`, `line 1 ends with "1e999"`, true},
		"a value only":               {`echo 'x{a="b c"}'`, `line 1 ends with "c\"}"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := metric.CommandOptions{Run: core.Command{Script: c.script}}
			if name == "it takes too long" {
				o.Timeout = 200 * time.Millisecond
			}
			_, err := askCommand(t, openCommand(t, o), "", core.Variables{At: time.Now()})
			if err == nil || !strings.Contains(err.Error(), c.want) || isPermanent(err) != c.permanent || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v, want %s, permanent %t", err, c.want, c.permanent)
			}
		})
	}
	s := openCommand(t, metric.CommandOptions{Run: core.Command{Script: "echo 1"}})
	if _, err := s.Query(t.Context(), core.Query{Text: "x", At: time.Now()}); !isPermanent(err) {
		t.Errorf("a query that is not filled in: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, core.Query{Text: "{}", At: time.Now()}); !errors.Is(err, context.Canceled) || isPermanent(err) {
		t.Errorf("a cancelled question: %v", err)
	}
}

func TestCommandPast(t *testing.T) {
	for past, want := range map[bool]string{false: "", true: "7"} {
		s := openCommand(t, metric.CommandOptions{Run: core.Command{Script: "echo 7"}, Past: past})
		for ago, want := range map[time.Duration]string{50 * time.Second: "7", time.Minute: want} {
			samples, err := askCommand(t, s, "", core.Variables{At: time.Now().Add(-ago), Window: time.Minute})
			if err != nil || printed(samples) != want {
				t.Errorf("past %t, %s ago: got %v and %v, want %s", past, ago, samples, err, want)
			}
		}
	}
}

func TestCommandOptions(t *testing.T) {
	runner := shell.New(t.TempDir(), nil)
	for want, c := range map[string]struct {
		options metric.CommandOptions
		shell   *shell.Runner
	}{
		"run must be a script":           {metric.CommandOptions{Run: core.Command{Script: " \n"}}, runner},
		"timeout must not be below zero": {metric.CommandOptions{Run: core.Command{Script: ":"}, Timeout: -1}, runner},
		"nothing can run commands here":  {metric.CommandOptions{Run: core.Command{Script: ":"}}, nil},
	} {
		_, err := metric.Open(core.SourceSpec{Type: "command", Options: &c.options}, metric.Env{Shell: c.shell})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestCommandFill(t *testing.T) {
	kind := metric.Kinds["command"]
	for query, want := range map[string]string{
		"errors":              "",
		"":                    "",
		`cost in $ and "a|b"`: "",
		"errors of $targets":  "$targets is not put into the query of a command",
		"$window":             "$window is not put into the query of a command",
	} {
		err := kind.CheckQuery(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: err = %v, want %s", query, err, want)
		}
	}
	s := openCommand(t, metric.CommandOptions{Run: core.Command{Script: ":"}})
	got, err := s.Fill("errors", core.Variables{Targets: []core.Target{{Name: "a"}}, Wave: "w", Version: `2"`, Previous: "1"})
	if want := `{"query":"errors","wave":"w","version":"2\"","previous":"1","targets":["a"]}`; err != nil || got != want {
		t.Errorf("got %s and %v, want %s", got, err, want)
	}
	if _, err := s.Fill("errors", core.Variables{Version: "a\x00"}); err == nil {
		t.Error("a NUL byte is taken")
	}
}

// printed writes samples in one line.
func printed(samples []core.Sample) string {
	var all []string
	for _, s := range samples {
		name := ""
		if s.Labels != nil {
			name = labels.FromMap(s.Labels).String() + "="
		}
		all = append(all, name+strconv.FormatFloat(s.Value, 'g', -1, 64))
	}
	return strings.Join(all, " ")
}
