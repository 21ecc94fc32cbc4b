package codebuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/plain"
)

const (
	// dotenvVariable names the file of the build's outputs; the report and the test results are next to it.
	dotenvVariable = "BREAKWATER_DOTENV"

	dotenvName = "breakwater.env"
	reportName = "breakwater-report.md"
	testsName  = "breakwater-junit.xml"

	// prefix begins the name of every output. All commands of a buildspec share one shell, so once it has sourced the
	// outputs they are variables of the next Breakwater. None may be one of its flags, as BREAKWATER_REASON would be.
	prefix = "BREAKWATER_OUT_"

	valueLimit  = 1 << 10 // bytes of a text for people
	reportLimit = 1 << 20 // bytes; a report is for people
)

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Publish sets the build's outputs, adds to its report, and puts its test results in the place of those before. Outputs are
// all set or, when one of them is refused, none; the others are written in either case. Publish also returns the first error of the log, which has no other way to tell.
func (f *Forge) Publish(_ context.Context, r core.Published) error {
	var failed []error
	if err := f.out.failed(); err != nil {
		failed = append(failed, fmt.Errorf("write the log: %w", err))
	}
	return errors.Join(append(failed, f.setOutputs(r.Outputs), f.addReport(r.Summary), f.setTests(r.Tests))...)
}

// dotenv is the path of the file of outputs.
func (f *Forge) dotenv() string { return cmp.Or(f.env.Get(dotenvVariable), dotenvName) }

// setOutputs adds to the file: a shell that sources it takes the newest value of each output.
func (f *Forge) setOutputs(outputs []core.Output) error {
	var b strings.Builder
	for _, o := range outputs {
		if !outputName.MatchString(o.Name) {
			return fmt.Errorf("output %q: a name has letters, digits, dash and underscore; no output is set", o.Name)
		}
		fmt.Fprintf(&b, "export %s%s=%s\n", prefix, strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_")), quoted(f.out.redacted(o.Value)))
	}
	if b.Len() == 0 {
		return nil
	}
	return add("the build's outputs", f.dotenv(), b.String())
}

func (f *Forge) addReport(summary string) error {
	if summary == "" {
		return nil
	}
	summary = f.out.redacted(summary)
	path := filepath.Join(filepath.Dir(f.dotenv()), reportName)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		if info.Size()+int64(len(summary)) >= reportLimit {
			return nil // what is there was first; the log has the rest
		}
		summary = "\n" + summary
	}
	return add("the report", path, summary)
}

// setTests writes the file that a report group of the buildspec takes.
func (f *Forge) setTests(tests string) error {
	if tests == "" {
		return nil
	}
	path := filepath.Join(filepath.Dir(f.dotenv()), testsName)
	if err := os.WriteFile(path, []byte(f.out.redacted(tests)), 0o644); err != nil {
		return fmt.Errorf("the test results: %w", err)
	}
	return nil
}

// add adds to the end of a file in one write.
func add(what, path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// quoted is a value as one word of a shell and one line: between single quotes nothing means anything but a single quote. A
// text that is no JSON is cut where it is long.
func quoted(value string) string {
	return "'" + strings.ReplaceAll(plain.Line(value, valueLimit), "'", `'\''`) + "'"
}
