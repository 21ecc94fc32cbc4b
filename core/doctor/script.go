package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// Script looks at a command of the plan without running it: whether the shell takes it, and whether the program
// that it begins with is there and may be run.
func Script(ctx context.Context, about string, cmd core.Command, dir string, run *shell.Runner) core.Diagnosis {
	d := core.Diagnosis{About: about, Health: core.HealthProblem}
	if err := run.Parse(ctx, cmd); err != nil {
		d.What = fmt.Sprintf("The shell does not take it: %v.", err)
		d.Do = "Mend the script, or install the shell that it asks for."
		return d
	}
	word := firstWord(cmd.Script)
	switch {
	case word == "":
		return core.Well(about, "The shell takes it.")
	case strings.Contains(word, "/"):
		return program(about, word, dir)
	case !run.Knows(ctx, cmd, word):
		d.What = fmt.Sprintf("%s is not in PATH.", word)
		d.Do = fmt.Sprintf("Install %s where this job runs, or write ./%s if it is a file of the repository.", word, word)
		return d
	default:
		return core.Well(about, "%s is there.", word)
	}
}

// program looks at a program that is named by its path.
func program(about, word, dir string) core.Diagnosis {
	d := core.Diagnosis{About: about, Health: core.HealthProblem}
	path := word
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		d.What = fmt.Sprintf("%s is not there.", word)
		d.Do = "Write it, or check the repository out before this step; paths begin in the working folder."
	case err != nil:
		d.What = fmt.Sprintf("%s cannot be looked at: %v.", word, err)
		d.Do = "Let this job read it."
	case info.IsDir():
		d.What = fmt.Sprintf("%s is a folder.", word)
		d.Do = "Name a program."
	case info.Mode()&0o111 == 0:
		d.What = fmt.Sprintf("%s is not executable.", word)
		d.Do = fmt.Sprintf("git add --chmod=+x %s, and commit that.", strings.TrimPrefix(word, "./"))
	default:
		return core.Well(about, "%s is there and executable.", word)
	}
	return d
}

// plainWord is a first word that means itself in a shell: nothing is filled in, quoted or set.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./][A-Za-z0-9_./+-]*$`)

// firstWord is the program that a script begins with; empty if that cannot be told without running it.
func firstWord(script string) string {
	for line := range strings.Lines(script) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		word := strings.TrimSuffix(fields[0], ";")
		if !plainWord.MatchString(word) {
			return ""
		}
		return word
	}
	return ""
}
