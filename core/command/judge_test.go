package command

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/breakwater-ci/breakwater/core"
)

var updateJudge = flag.Bool("update-judge", false, "write the golden output of judge anew")

const judgePack = "../judge/testdata/pack"

// runJudge runs the command as its user does, and returns what it prints.
func runJudge(t *testing.T, c judgeCmd) string {
	t.Helper()
	var out bytes.Buffer
	c.Direction = "increase"
	if c.FalseAlarms == 0 {
		c.FalseAlarms = 0.01
	}
	if err := c.Run(newShip(Env{Stdout: &out})); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestJudgePack(t *testing.T) {
	got := runJudge(t, judgeCmd{Pack: judgePack})
	golden := filepath.Join(judgePack, "verdicts.jsonl")
	if *updateJudge {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the verdicts are\n%swant\n%s", got, want)
	}
}

// A verdict at a row is what would have been said live: a file that ends there gives the same.
func TestJudgeSaysWhatItWouldHaveSaidLive(t *testing.T) {
	for file, flags := range map[string]judgeCmd{
		"counts-worse.csv":       {DeployRow: 60},
		"counts-healthy.csv":     {DeployRow: 60},
		"gauge-worse.csv":        {DeployRow: 60},
		"histogram-worse.csv":    {DeployRow: 60},
		"before-after-worse.csv": {DeployRow: 336},
	} {
		judge := func(path string) (judged, string) {
			c := flags
			switch kind, _, _ := strings.Cut(file, "-"); kind {
			case "counts":
				c.Counts = path
			case "gauge":
				c.Series = path
			case "histogram":
				c.Histogram = path
			default:
				c.BeforeAfter = path
			}
			text := runJudge(t, c)
			var v judged
			if err := json.Unmarshal([]byte(text), &v); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			return v, text
		}
		whole, err := filepath.Abs(filepath.Join(judgePack, file))
		if err != nil {
			t.Fatal(err)
		}
		v, full := judge(whole)
		data, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(data), "\n")
		cut := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(cut, []byte(strings.Join(lines[:v.Row+2], "")), 0o644); err != nil {
			t.Fatal(err)
		}
		if v.Row+2 >= len(lines)-1 {
			t.Errorf("%s is decided at its very end: %s", file, full)
		}
		if _, live := judge(cut); live != full {
			t.Errorf("%s: live it says\n%safterwards\n%s", file, live, full)
		}
		if want := core.Fail; strings.Contains(file, "worse") && v.Verdict != want {
			t.Errorf("%s: %s, want %s: %s", file, v.Verdict, want, v.Reason)
		}
	}
}

// The index of a pack may tell the answers. They are not read.
func TestJudgeReadsNoLabels(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(judgePack)); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "index.json")
	data, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	labelled := strings.ReplaceAll(string(data), `"kind"`, `"regression": false, "onset_minute": 3, "direction": "decrease", "kind"`)
	if err := os.WriteFile(index, []byte(labelled), 0o644); err != nil {
		t.Fatal(err)
	}
	if a, b := runJudge(t, judgeCmd{Pack: judgePack}), runJudge(t, judgeCmd{Pack: dir}); a != b {
		t.Errorf("labels change the verdicts from\n%sto\n%s", a, b)
	}
}

func TestJudgeMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("bad.csv", "timestamp,control,candidate\nx,1,two\n")
	write("index.json", `{"cases":[{"case":"out","file":"../secret.csv","kind":"counts"}]}`)
	for want, c := range map[string]judgeCmd{
		"bad.csv: line 2":       {Series: "bad.csv"},
		"no such file":          {Counts: "none.csv"},
		"case out: ":            {Pack: "."},
		"is for --counts and":   {Histogram: "bad.csv", Method: mannWhitney},
		"rows count from 0":     {Series: "bad.csv", DeployRow: -1},
		"the header must be ti": {Counts: "bad.csv"},
	} {
		err := c.Run(newShip(Env{Stdout: &bytes.Buffer{}, Dir: dir}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func TestRatioFlag(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "0.05": 0.05, "0": 0, " 2.5% ": 0.025} {
		var r ratio
		if err := r.UnmarshalText([]byte(text)); err != nil || float64(r) != want {
			t.Errorf("%q is %v, %v; want %v", text, r, err, want)
		}
	}
	for _, text := range []string{"", "%", "x", "-1%", "100%", "NaN", "Inf"} {
		var r ratio
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, r)
		}
	}
}

// By ranks the same regressions fail, later: it takes ten looks.
func TestJudgeByRanks(t *testing.T) {
	for _, c := range []judgeCmd{
		{Series: judgePack + "/gauge-worse.csv", DeployRow: 60, Method: mannWhitney},
		{Counts: judgePack + "/counts-worse.csv", DeployRow: 60, Method: mannWhitney},
	} {
		var v judged
		if err := json.Unmarshal([]byte(runJudge(t, c)), &v); err != nil {
			t.Fatal(err)
		}
		if v.Verdict != core.Fail || v.Row < 69 || !strings.Contains(v.Reason, "98% confidence") {
			t.Errorf("%s at row %d: %s", v.Verdict, v.Row, v.Reason)
		}
	}
}

// The flags are what DESIGN.md says they are.
func TestJudgeFlags(t *testing.T) {
	parse := func(args ...string) (judgeCmd, error) {
		var v struct {
			Judge judgeCmd `cmd:""`
		}
		parser, err := kong.New(&v)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(append([]string{"judge"}, args...))
		return v.Judge, err
	}
	j, err := parse("--before-after", "x.csv", "--deploy-row", "7", "--false-alarms", "2%", "--margin", "0.1", "--floor", "0.1%", "--quantile", "99%", "--direction", "either")
	if err != nil || j.BeforeAfter != "x.csv" || j.DeployRow != 7 || j.FalseAlarms != 0.02 || j.Margin == nil || *j.Margin != 0.1 || j.Floor == nil || *j.Floor != 0.001 || j.Quantile != 0.99 || j.Direction != "either" {
		t.Errorf("parsed %+v, %v", j, err)
	}
	if j, err := parse("--pack", "dir"); err != nil || j.FalseAlarms != 0.01 || j.Margin != nil || j.Direction != "increase" {
		t.Errorf("parsed %+v, %v", j, err)
	}
	for _, args := range [][]string{{}, {"--counts", "a", "--series", "b"}, {"--counts", "a", "--margin", "lots"}} {
		if _, err := parse(args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
