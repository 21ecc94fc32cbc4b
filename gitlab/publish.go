package gitlab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	// dotenvVariable names the file of the job's outputs; the report, the link to it and the test results are next to that.
	dotenvVariable = "BREAKWATER_DOTENV"

	dotenvName      = "breakwater.env"
	reportName      = "breakwater-report.md"
	annotationsName = "breakwater-annotations.json"
	testsName       = "breakwater-junit.xml"

	reportLimit = 1 << 20 // bytes; a report is for people
)

// Publish sets the job's outputs, adds to its report, and puts its test results in the place of those before. Outputs are all
// set or, when one of them is refused, none; the others are written in either case. Publish also returns the first error of the log, which has no other way to tell.
func (f *Forge) Publish(_ context.Context, r core.Published) error {
	var failed []error
	if err := f.out.failed(); err != nil {
		failed = append(failed, fmt.Errorf("write the log: %w", err))
	}
	return errors.Join(append(failed, f.setOutputs(r.Outputs), f.addReport(r.Summary), f.setTests(r.Tests))...)
}

// dotenv is the path of the file of outputs.
func (f *Forge) dotenv() string { return cmp.Or(f.env.Get(dotenvVariable), dotenvName) }

func (f *Forge) setOutputs(outputs []core.Output) error {
	if len(outputs) == 0 {
		return nil
	}
	path := f.dotenv()
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the job's outputs: %w", err)
	}
	text, left, err := outputsFile(string(before), outputs)
	if err != nil {
		return err
	}
	for _, name := range left {
		f.out.Annotate(core.Annotation{Title: "Outputs", Message: fmt.Sprintf("%s is left out of %s: GitLab takes %d bytes in all. "+
			"breakwater status --json has it.", name, path, dotenvLimit)})
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("the job's outputs: %w", err)
	}
	return nil
}

// addReport adds to the report, and leaves a link to it that GitLab shows beside the job.
func (f *Forge) addReport(summary string) error {
	if summary == "" {
		return nil
	}
	folder := filepath.Dir(f.dotenv())
	path := filepath.Join(folder, reportName)
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the report: %w", err)
	}
	if len(before) > 0 {
		summary = "\n" + summary
	}
	if len(before)+len(summary) > reportLimit {
		return nil // what is there was first; the log has the rest
	}
	if err := os.WriteFile(path, append(before, summary...), 0o644); err != nil {
		return fmt.Errorf("the report: %w", err)
	}
	return f.link(folder)
}

// setTests writes the file for artifacts:reports:junit.
func (f *Forge) setTests(tests string) error {
	if tests == "" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(f.dotenv()), testsName), []byte(tests), 0o644); err != nil {
		return fmt.Errorf("the test results: %w", err)
	}
	return nil
}

// link writes the file for artifacts:reports:annotations.
func (f *Forge) link(folder string) error {
	if f.job.Actor.URL == "" {
		return nil
	}
	type external struct {
		Label string `json:"label"`
		URL   string `json:"url"`
	}
	at := filepath.ToSlash(filepath.Join(folder, reportName))
	if base := f.env.Get("CI_PROJECT_DIR"); base != "" && filepath.IsAbs(folder) {
		rel, err := filepath.Rel(base, at)
		if err != nil || strings.HasPrefix(rel, "..") {
			return nil // GitLab keeps no artifact from there
		}
		at = filepath.ToSlash(rel)
	}
	links := map[string][]map[string]external{"Breakwater": {{"external_link": {"Report of the rollout", f.job.Actor.URL + "/artifacts/file/" + at}}}}
	text, err := json.Marshal(links)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, annotationsName), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("the link to the report: %w", err)
	}
	return nil
}
