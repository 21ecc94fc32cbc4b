package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// CommandOptions are the options of a source of type command.
type CommandOptions struct {
	Run     core.Command  `json:"run" jsonschema_description:"A script that prints numbers: VALUE, NAME VALUE or NAME{LABEL=\"x\"} VALUE, one a line."`
	Timeout time.Duration `json:"timeout,omitempty" jsonschema_description:"Longest time for one answer. Default: 30s."`
	Past    bool          `json:"past,omitempty" jsonschema_description:"The script also answers for the past, by BREAKWATER_AT. Default: false."`
}

// A command runs a script of the plan for what it prints. The script gets the query and the variables as environment, see
// [shell.Vars]; nothing is ever pasted into it. That it prints nothing means no data. That it fails is an error, and so
// is any line that is no number.
//
// Most scripts tell only what is now. Of an instant that is a window or more ago there is no data then, unless the option
// past says that the script goes by BREAKWATER_AT.
type command struct {
	shell   *shell.Runner
	clock   core.Clock
	run     core.Command
	timeout time.Duration
	past    bool
}

func newCommand(o *CommandOptions, env Env) (core.Source, error) {
	switch {
	case strings.TrimSpace(o.Run.Script) == "":
		return nil, errors.New("run must be a script")
	case o.Timeout < 0:
		return nil, errors.New("timeout must not be below zero")
	case env.Shell == nil:
		return nil, errors.New("nothing can run commands here")
	}
	return &command{shell: env.Shell, clock: env.Clock, run: o.Run, timeout: orDefault(o.Timeout, 30*time.Second), past: o.Past}, nil
}

// told is a filled query: what the script is told beside the time.
type told struct {
	Query    string   `json:"query"`
	Wave     string   `json:"wave"`
	Version  string   `json:"version"`
	Previous string   `json:"previous"`
	Targets  []string `json:"targets"`
}

// fillCommand puts the variables beside the query, not into it.
func fillCommand(query string, v core.Variables) (string, error) {
	for i := range query {
		if name := variable.FindString(query[i:]); name != "" {
			return "", fmt.Errorf("%s is not put into the query of a command: the script has it as environment, as BREAKWATER_TARGETS and the like", name)
		}
	}
	filled := told{Query: query, Wave: v.Wave, Version: v.Version, Previous: v.Previous}
	texts := []string{query, v.Wave, v.Version, v.Previous}
	for _, t := range v.Targets {
		filled.Targets = append(filled.Targets, t.Name)
	}
	if err := readable(term{name: "a variable", texts: append(texts, filled.Targets...)}); err != nil {
		return "", err
	}
	text, err := json.Marshal(filled)
	return string(text), err
}

func readTold(filled string) (about told, err error) {
	err = json.Unmarshal([]byte(filled), &about)
	return about, err
}

// Fill implements [core.Source].
func (*command) Fill(query string, v core.Variables) (string, error) { return fillCommand(query, v) }

// Spans says that an answer may cover the window: the script has it.
func (*command) Spans() bool { return true }

// Close has nothing to end: a script ends before Query returns.
func (*command) Close() error { return nil }

// Query runs the script.
func (c *command) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if !c.past && gone(c.clock, q) {
		return nil, nil
	}
	about, err := readTold(q.Text)
	if err != nil {
		return nil, &failure{text: "the query of a command must be filled in before it is asked", permanent: true, cause: err}
	}
	vars := shell.Vars{
		Action: shell.ActionQuery, Wave: about.Wave, Version: about.Version, Previous: about.Previous,
		Query: about.Query, At: q.At, Window: q.Window,
	}
	for _, name := range about.Targets {
		vars.Targets = append(vars.Targets, core.Target{Name: name})
	}
	printed, err := c.shell.Read(ctx, c.run, vars, c.timeout)
	if err != nil {
		why, ok := errors.AsType[*shell.Error](err)
		never := ok && why.Err != nil && ctx.Err() == nil // it could not even be run
		return nil, &failure{text: "the command gave no answer: " + err.Error(), permanent: never, cause: err}
	}
	samples, err := readPrinted(printed)
	if err != nil {
		return nil, &failure{text: "the command printed what is no answer: " + err.Error(), permanent: true}
	}
	return samples, nil
}

// readPrinted reads lines of numbers, each with or without a series in front of it. Empty lines and those that begin with
// # say nothing.
func readPrinted(text string) ([]core.Sample, error) {
	series := parser.NewParser(parser.Options{})
	var samples []core.Sample
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value := "", line
		if i := strings.LastIndexAny(line, " \t"); i >= 0 {
			name, value = strings.TrimSpace(line[:i]), line[i+1:]
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d ends with %q, not with a number", number, shell.OneLine(clip(value)))
		}
		sample := core.Sample{Value: v}
		if name != "" {
			labels, err := series.ParseMetric(name)
			if err != nil {
				return nil, fmt.Errorf("line %d begins with %q, which is no NAME{LABEL=\"x\"}", number, shell.OneLine(clip(name)))
			}
			sample.Labels = labels.Map()
		}
		samples = append(samples, sample)
	}
	return samples, nil
}
