package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
)

// local is the forge of a process that runs in no CI system: a terminal and nothing else.
type local struct {
	user string

	mu  sync.Mutex
	out io.Writer
}

func (l *local) Job() core.Job {
	return core.Job{Actor: core.Actor{Name: l.user}, Ledger: "file:.breakwater"}
}

func (l *local) Log() core.Log { return l }

func (l *local) Publish(context.Context, core.Published) error { return nil }

// Group prints text indented under its title.
func (l *local) Group(title, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, title)
	for line := range strings.Lines(text) {
		fmt.Fprint(l.out, "  | ", strings.TrimRight(line, "\n"), "\n")
	}
}

// Annotate does nothing: what is annotated is printed as well.
func (l *local) Annotate(core.Annotation) {}

// Mask does nothing: what a command prints is redacted where it is read.
func (l *local) Mask(string) {}
