package actions

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// newJob is a job with empty files for its outputs and its summary.
func newJob(t *testing.T) (f *Forge, outputs, summary string) {
	t.Helper()
	dir := t.TempDir()
	outputs, summary = filepath.Join(dir, "outputs"), filepath.Join(dir, "summary")
	for _, name := range []string{outputs, summary} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, ok := New(append(jobEnviron(), "GITHUB_OUTPUT="+outputs, "GITHUB_STEP_SUMMARY="+summary), io.Discard, io.Discard, clock{})
	if !ok || f.Err() != nil {
		t.Fatal(ok, f.Err())
	}
	return f, outputs, summary
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOutputsArriveAsTheyAre(t *testing.T) {
	for _, value := range append(hostile, "", "succeeded", "a\nstate<<X\nforged\nX\nb", "state=forged", "\n", "a\n", "{\"a\": [1]}") {
		f, outputs, _ := newJob(t)
		r := core.Published{Outputs: []core.Output{{Name: "reason", Value: value}, {Name: "next-at", Value: "x"}}}
		if err := f.Publish(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		got, err := pairs(read(t, outputs))
		if err != nil || len(got) != 2 || got["reason"] != value || got["next-at"] != "x" {
			t.Errorf("%q arrives as %q (%v)", value, got, err)
		}
	}
}

func TestRefusedOutputs(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"reason", "x\n" + delimiter + "\nstate=succeeded", "output reason: its value holds " + delimiter},
		{"reason", delimiter, "could forge another output"},
		{"reason", "a" + delimiter + "b", "no output is set"},
		{"", "x", `output ""`},
		{"a=b", "x", `output "a=b"`},
		{"a<<b", "x", `output "a<<b"`},
		{"a\nb", "x", `output "a\nb"`},
		{"a b", "x", `output "a b"`},
		{"1st", "x", `output "1st"`},
	} {
		f, outputs, summary := newJob(t)
		r := core.Published{Summary: "text", Outputs: []core.Output{{Name: "state", Value: "halted"}, {Name: c.name, Value: c.value}}}
		err := f.Publish(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q=%q: error %v; want one with %q", c.name, c.value, err, c.want)
		}
		if got := read(t, outputs); got != "" {
			t.Errorf("%q=%q: wrote %q; want nothing", c.name, c.value, got)
		}
		if got := read(t, summary); got != "text\n" {
			t.Errorf("%q=%q: summary %q; want it in spite of the refusal", c.name, c.value, got)
		}
	}
}

// TestDelimiter fails when another version of the library ends values in another way.
func TestDelimiter(t *testing.T) {
	f, outputs, _ := newJob(t)
	if err := f.Publish(t.Context(), core.Published{Outputs: []core.Output{{Name: "a", Value: "b"}}}); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, outputs), "a<<"+delimiter+"\nb\n"+delimiter+"\n"; got != want {
		t.Errorf("the library writes %q; want %q", got, want)
	}
}

func FuzzOutputs(f *testing.F) {
	for _, s := range append(hostile, delimiter, "a\n"+delimiter) {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, value string) {
		file := filepath.Join(dir, "outputs")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		forge, _ := New(append(jobEnviron(), "GITHUB_OUTPUT="+file), io.Discard, io.Discard, clock{})
		err := forge.Publish(t.Context(), core.Published{Outputs: []core.Output{{Name: "reason", Value: value}}})
		got, wrong := pairs(read(t, file))
		switch {
		case wrong != nil:
			t.Errorf("%q leaves a file that the runner refuses: %v", value, wrong)
		case err != nil && len(got) > 0:
			t.Errorf("%q is refused, yet the runner sees %q", value, got)
		case err == nil && (len(got) != 1 || got["reason"] != value):
			t.Errorf("%q arrives as %q", value, got)
		}
	})
}

func TestFilesThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	all := core.Published{Summary: "s", Outputs: []core.Output{{Name: "state", Value: "halted"}}}
	for _, c := range []struct{ name, file string }{
		{"not set", ""},
		{"a folder", dir},
		{"in no folder", filepath.Join(dir, "none", "file")},
		{"full", "/dev/full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, ok := New(append(jobEnviron(), "GITHUB_OUTPUT="+c.file, "GITHUB_STEP_SUMMARY="+c.file), io.Discard, io.Discard, clock{})
			if !ok {
				t.Fatal("no job")
			}
			err := f.Publish(t.Context(), all)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %s", err, want)
				}
			}
		})
	}
	f, _ := New(jobEnviron(), io.Discard, io.Discard, clock{})
	if err := f.Publish(t.Context(), core.Published{}); err != nil {
		t.Errorf("nothing to publish: %v; want no error", err)
	}
}

func TestPublishTellsThatTheLogFailed(t *testing.T) {
	f, _ := New(jobEnviron(), fullDisk{}, fullDisk{}, clock{})
	f.Log().Group("title", "text")
	if err := f.Publish(t.Context(), core.Published{}); err == nil || !strings.Contains(err.Error(), errFull.Error()) {
		t.Errorf("error %v; want that of the log", err)
	}
}

func TestSummaryIsAddedAndCut(t *testing.T) {
	line := strings.Repeat("ä", 49) + "\n"
	for _, c := range []struct {
		name     string
		before   int
		lines    int
		cut, all bool
	}{
		{"small", 0, 1, false, true},
		{"after another", 5000, 1, false, true},
		{"as long as may be", 1, (summaryLimit - 2) / 99, false, true},
		{"too long", 0, 20_000, true, false},
		{"too long after another", 1 << 19, 20_000, true, false},
		{"no room at all", summaryLimit, 1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, _, file := newJob(t)
			before := strings.Repeat("b", c.before)
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			summary := strings.Repeat(line, c.lines)
			if err := f.Publish(t.Context(), core.Published{Summary: summary}); err != nil {
				t.Fatal(err)
			}
			all := read(t, file)
			if len(all) > summaryLimit {
				t.Errorf("%d bytes; GitHub drops what is longer than %d", len(all), summaryLimit)
			}
			got, ok := strings.CutPrefix(all, before)
			if !ok || !utf8.ValidString(got) {
				t.Error("what was there before is lost, or a letter is torn")
			}
			if strings.HasPrefix(got, summaryCut) != c.cut || strings.Contains(got, summary) != c.all {
				t.Errorf("%d bytes; want cut: %v, all: %v", len(got), c.cut, c.all)
			}
			if c.cut && len(all) < summaryLimit-200 {
				t.Errorf("only %d bytes of %d are used", len(all), summaryLimit)
			}
		})
	}
}
