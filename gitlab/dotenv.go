package gitlab

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/plain"
)

// GitLab reads outputs from a file of NAME=value lines: there are no quotes, no comments and no values of several lines.
const (
	prefix = "BREAKWATER_"

	dotenvLimit = 5 << 10 // bytes; GitLab drops a file that is not smaller, as a whole
	mostOutputs = 20      // in GitLab's free tier
	valueLimit  = 1 << 10 // bytes of a text for people

	// receipt holds a sum of each output. By that a later job, which inherits the outputs as variables, tells an output
	// from a flag that somebody gave: BREAKWATER_REASON would be both.
	receipt = prefix + "OUTPUTS"
)

var outputName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// variable is what an output is called in later jobs.
func variable(output string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(output, "-", "_"))
}

// outputsFile is a file of outputs with those of before that are not set again. It drops the longest value as long as the
// file is larger than GitLab takes, and names what it dropped.
func outputsFile(before string, outputs []core.Output) (text string, left []string, err error) {
	var all []core.Output
	set := func(o core.Output) {
		all = append(slices.DeleteFunc(all, func(have core.Output) bool { return have.Name == o.Name }), o)
	}
	for line := range strings.Lines(before) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok && name != receipt {
			set(core.Output{Name: name, Value: value})
		}
	}
	for _, o := range outputs {
		if !outputName.MatchString(o.Name) {
			return "", nil, fmt.Errorf("output %q: a name has letters, digits, dash and underscore; no output is set", o.Name)
		}
		set(core.Output{Name: variable(o.Name), Value: harmless(o.Value)})
	}
	if len(all) >= mostOutputs {
		return "", nil, fmt.Errorf("there are %d outputs, and GitLab takes %d; no output is set", len(all)+1, mostOutputs)
	}
	for {
		if text = rendered(all); len(text) < dotenvLimit || len(all) == 0 {
			return text, left, nil
		}
		longest := slices.MaxFunc(all, func(a, b core.Output) int { return cmp.Compare(len(a.Value), len(b.Value)) })
		left = append(left, longest.Name)
		all = slices.DeleteFunc(all, func(o core.Output) bool { return o == longest })
	}
}

func rendered(all []core.Output) string {
	var b strings.Builder
	var sums []string
	for _, o := range all {
		fmt.Fprintf(&b, "%s=%s\n", o.Name, o.Value)
		sums = append(sums, fmt.Sprintf("%s:%s", strings.TrimPrefix(o.Name, prefix), sum(o.Value)))
	}
	fmt.Fprintf(&b, "%s=%s\n", receipt, strings.Join(sums, ","))
	return b.String()
}

// harmless makes a value one line in which GitLab puts no other variable in: a $ is written $$. A text that is no JSON is
// cut where it is long.
func harmless(value string) string {
	return strings.ReplaceAll(plain.Line(value, valueLimit), "$", "$$")
}

// sum tells values apart. Dollar signs do not count: whether GitLab has made one of two is not known here.
func sum(value string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(strings.ReplaceAll(value, "$", ""))))
}

// Environ drops from an environment the outputs that the job has inherited from an earlier one: each flag is an
// environment variable as well, and what one rollout gave as its reason must not become the reason of an override.
func Environ(environ []string) []string {
	inherited := make(map[string]string)
	for _, entry := range environ {
		if list, ok := strings.CutPrefix(entry, receipt+"="); ok {
			for each := range strings.SplitSeq(list, ",") {
				name, sum, _ := strings.Cut(each, ":")
				inherited[prefix+name] = sum
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		was, known := inherited[name]
		return name == receipt || known && sum(value) == was
	})
}
