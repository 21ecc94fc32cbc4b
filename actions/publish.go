package actions

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// delimiter ends a value in the library's form of an output. It is fixed, so a value that holds it could go on
	// with outputs of its own.
	delimiter = "_GitHubActionsFileCommandDelimeter_"

	// summaryLimit is the longest summary of a step, in bytes: GitHub drops a longer one as a whole.
	summaryLimit = 1 << 20

	summaryCut = "> [!NOTE]\n> The report is longer than GitHub shows. This is its beginning.\n\n"
)

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Publish sets the step's outputs and adds to its summary. Outputs are all set or, when one of them is refused, none;
// the summary is written in either case. A summary that GitHub would drop for its length is cut. Publish also returns
// the first error of the log, which has no other way to tell.
func (f *Forge) Publish(_ context.Context, r core.Published) error {
	var failed []error
	if err := f.out.failed(); err != nil {
		failed = append(failed, fmt.Errorf("write the log: %w", err))
	}
	return errors.Join(append(failed, f.setOutputs(r.Outputs), f.addSummary(r.Summary))...)
}

func (f *Forge) setOutputs(outputs []core.Output) error {
	if len(outputs) == 0 {
		return nil
	}
	var refused []error
	for _, o := range outputs {
		switch {
		case !outputName.MatchString(o.Name):
			refused = append(refused, fmt.Errorf("output %q: a name has letters, digits, dash and underscore", o.Name))
		case strings.Contains(o.Value, delimiter):
			refused = append(refused, fmt.Errorf("output %s: its value holds %s, which could forge another output;"+
				" no output is set", o.Name, delimiter))
		}
	}
	if len(refused) > 0 {
		return errors.Join(refused...)
	}
	return f.file("GITHUB_OUTPUT", func(a *githubactions.Action) {
		for _, o := range outputs {
			a.SetOutput(o.Name, o.Value)
		}
	})
}

func (f *Forge) addSummary(summary string) error {
	if summary == "" {
		return nil
	}
	room := summaryLimit - 1 // the library ends the summary with a line break
	if info, err := os.Stat(f.env.Get("GITHUB_STEP_SUMMARY")); err == nil {
		room -= int(min(info.Size(), int64(room)))
	}
	return f.file("GITHUB_STEP_SUMMARY", func(a *githubactions.Action) {
		if fits := cut(summary, room); fits != "" {
			a.AddStepSummary(fits)
		}
	})
}

// cut returns as many whole lines of the summary as there is room for. The note that says so comes first: at the end
// it could be inside whatever the cut left open.
func cut(summary string, room int) string {
	if len(summary) <= room {
		return summary
	}
	room -= len(summaryCut)
	if room < 0 {
		return ""
	}
	return summaryCut + summary[:strings.LastIndexByte(summary[:room], '\n')+1]
}

// file lets the library write to the file that a variable names. The library panics when it cannot.
func (f *Forge) file(variable string, write func(*githubactions.Action)) (err error) {
	if _, err := f.env.Must(variable); err != nil {
		return err
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("write %s: %w", variable, p)
		default:
			panic(p)
		}
	}()
	write(f.env.action(f.out.out))
	return nil
}
