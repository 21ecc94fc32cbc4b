package judge

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestReadCounts(t *testing.T) {
	rows, err := ReadCounts(strings.NewReader("timestamp,control_requests,control_errors,candidate_requests,candidate_errors\n" +
		"a,1,2,3,4\nb,,,5,0\nc,NaN,1,+Inf,-3\nd\n"))
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if rows[0].At != "a" || rows[0].Look != (CountLook{1, 2, 3, 4}) {
		t.Errorf("the first row is %+v", rows[0])
	}
	for i, row := range rows[1:] {
		if row.Look.usable() {
			t.Errorf("row %d is usable: %+v", i+1, row.Look)
		}
	}
}

func TestReadMistakes(t *testing.T) {
	header := "timestamp,control,candidate\n"
	for text, want := range map[string]string{
		"":                    "empty",
		"time,control":        "timestamp",
		"timestamp,a,b\n":     "header must be",
		header + "x,1,2,3\n":  "line 2 has 4 fields",
		header + "x,1,wat\n":  `line 2: "wat" in column candidate`,
		header + "x,\"1,2\n":  "line 2",
		header + "x,0x1p-2,1": "",
	} {
		_, err := ReadGauge(strings.NewReader(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestReadHistogram(t *testing.T) {
	rows, edges, err := ReadHistogram(strings.NewReader("timestamp,control_le_0.1,control_le_inf,candidate_le_0.1,candidate_le_inf\nx,1,2,3,4\n"))
	if err != nil || len(edges) != 2 || edges[0] != 0.1 || !math.IsInf(edges[1], 1) || rows[0].Look.Candidate[1] != 4 {
		t.Errorf("%v, edges %v, rows %+v", err, edges, rows)
	}
	for _, header := range []string{
		"timestamp", "timestamp,control_le_inf,candidate_le_inf", "timestamp,control_le_1,control_le_2,candidate_le_1,candidate_le_2",
		"timestamp,control_le_2,control_le_inf,candidate_le_1,candidate_le_inf", "timestamp,control_le_inf,control_le_inf,candidate_le_inf,candidate_le_inf",
	} {
		if _, _, err := ReadHistogram(strings.NewReader(header + "\n")); err == nil {
			t.Errorf("%s is taken for a header", header)
		}
	}
}

// FuzzJudge feeds any text to every reader and judges what comes out of it: never a panic, never a number that JSON
// cannot carry.
func FuzzJudge(f *testing.F) {
	f.Add("timestamp,control_requests,control_errors,candidate_requests,candidate_errors\na,1,0,1,1\nb,9e307,1,1e308,1e308\n", 1)
	f.Add("timestamp,control,candidate\n"+strings.Repeat("a,1,0\nb,1e-300,1e300\n", 20), 12)
	f.Add("timestamp,value\n"+strings.Repeat("a,1\nb,0\n", 200), 390)
	f.Add("timestamp,control_le_1,control_le_inf,candidate_le_1,candidate_le_inf\na,1,5,0,5\nb,0,9e300,1,9e300\n", 0)
	f.Fuzz(func(t *testing.T, text string, deploy int) {
		if rows, err := ReadCounts(strings.NewReader(text)); err == nil {
			test := NewCounts(Options{Direction: Either})
			carried(t, Replay(test, rows, deploy), test.State)
		}
		if rows, err := ReadGauge(strings.NewReader(text)); err == nil {
			test := NewGauge(Options{Direction: Either})
			carried(t, Replay(test, rows, deploy), test.State)
			ranks := NewRanks(Options{}, MannWhitney{})
			carried(t, Replay(ranks, rows, deploy), ranks.State)
		}
		if rows, err := ReadHistory(strings.NewReader(text)); err == nil {
			test := NewHistory(Options{Direction: Either}, 24)
			carried(t, Replay(test, rows, deploy), test.State)
		}
		if rows, edges, err := ReadHistogram(strings.NewReader(text)); err == nil {
			test := NewHistogram(Options{}, edges)
			carried(t, Replay(test, rows, deploy), test.State)
		}
	})
}

func carried(t *testing.T, d Decision, state any) {
	t.Helper()
	for _, v := range []any{d.Verdict, state} {
		if _, err := json.Marshal(v); err != nil {
			t.Fatalf("%+v: %v", v, err)
		}
	}
	if d.Reason == "" {
		t.Fatal("no reason")
	}
}
