package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

const (
	defaultGrace = 3 * time.Second
	linger       = 250 * time.Millisecond // how long output may still come once the shell is gone
	lookPatience = 10 * time.Second       // for a shell that runs nothing of the plan's
	readLimit    = 64 << 20               // bytes that an answer may have: a list of 100,000 targets needs about 15 MiB
)

// A Runner runs commands. It is safe for concurrent use.
type Runner struct {
	Grace time.Duration // from SIGTERM to SIGKILL; set it before the first command runs. Default: 3s.

	dir     string
	own     []string // environment of this process
	environ []string // of commands: without the BREAKWATER_ variables
	bash    string   // path; empty if there is none
	redact  redactor
}

// New returns a Runner for commands that run in dir with the given environment. Variables of the environment that
// start with BREAKWATER_ are flags of this process and stay out: a command sees only those of its own task, and a
// breakwater that it calls takes no flag by accident. The values of secret variables, see [Secrets], never show in an
// output.
func New(dir string, environ []string) *Runner {
	own := slices.Clone(environ)
	inherited := slices.DeleteFunc(slices.Clone(own), func(v string) bool { return strings.HasPrefix(v, prefix) })
	return &Runner{
		Grace:   defaultGrace,
		dir:     dir,
		own:     own,
		environ: slices.Clip(inherited), // so that every command gets a copy
		bash:    find("bash", own),
		redact:  newRedactor(Secrets(own)),
	}
}

// Redact replaces the values of secret variables in a text.
func (r *Runner) Redact(text string) string { return r.redact.replace(text) }

// Run runs a command and returns what it printed on both streams, in order: redacted, valid UTF-8, and not more than
// its first 16 KiB and its last 64 KiB. The output is there whether or not the command ended well. A timeout of 0 is
// none. The error is an [*Error].
func (r *Runner) Run(ctx context.Context, cmd core.Command, vars Vars, timeout time.Duration) (string, error) {
	out := &capture{spare: r.redact.longest}
	failed := r.run(ctx, cmd, vars, timeout, out, out)
	text := out.text(r.redact)
	if failed != nil {
		return text, failed.saying(text)
	}
	return text, nil
}

// Read runs a command for the answer that it prints on its standard output, and returns that answer as printed: it is
// data, so it is not redacted. An answer that contains the value of a secret variable is refused, and so is one of
// more than 64 MiB. The error is an [*Error].
func (r *Runner) Read(ctx context.Context, cmd core.Command, vars Vars, timeout time.Duration) (string, error) {
	var answer limited
	complaints := &capture{spare: r.redact.longest}
	failed := r.run(ctx, cmd, vars, timeout, &answer, complaints)
	switch {
	case failed != nil:
		return "", failed.saying(complaints.text(r.redact))
	case answer.over:
		return "", refused(fmt.Errorf("the answer is longer than %d MiB; print less", readLimit>>20))
	}
	text := answer.String()
	if name := leaked(r.own, text); name != "" {
		return "", refused(fmt.Errorf("the answer contains the value of the secret variable %s; "+
			"print something else, or rename the variable if it is no secret", name))
	}
	return text, nil
}

// Parse reports what keeps the shell from understanding a command. It does not run it.
func (r *Runner) Parse(ctx context.Context, cmd core.Command) error {
	argv, err := r.argv(cmd)
	if err != nil {
		return err
	}
	return r.aside(ctx, append([]string{argv[0], "-n"}, argv[1:]...))
}

// Knows reports whether the shell of a command knows a word as a program, or as one of its own.
func (r *Runner) Knows(ctx context.Context, cmd core.Command, word string) bool {
	argv, err := r.argv(core.Command{Script: `command -v "$1" >/dev/null`, Shell: cmd.Shell})
	return err == nil && r.aside(ctx, append(argv, argv[0], word)) == nil
}

// aside runs a shell that only looks at something. The error is what it complains of.
func (r *Runner) aside(ctx context.Context, argv []string) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = r.dir, r.environ
	said, err := cmd.CombinedOutput()
	if text := LastLine(r.redact.replace(string(said))); err != nil && text != "" {
		return errors.New(text)
	}
	return err
}

// run runs a command and returns once it was reaped and its output was written.
func (r *Runner) run(
	ctx context.Context, cmd core.Command, vars Vars, timeout time.Duration, stdout, stderr io.Writer,
) *Error {
	argv, err := r.argv(cmd)
	if err != nil {
		return refused(err)
	}
	told, err := vars.Environ()
	if err != nil {
		return refused(err)
	}
	out, err := openDrain(stdout)
	if err != nil {
		return refused(err)
	}
	defer out.finish()
	complaints := out
	if stderr != stdout {
		if complaints, err = openDrain(stderr); err != nil {
			return refused(err)
		}
		defer complaints.finish()
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	if ctx.Err() != nil {
		return stopped(ctx, timeout)
	}
	g, err := startGroup(argv, r.dir, append(r.environ, told...), out.write, complaints.write)
	if err != nil {
		return refused(explain(err, argv[0]))
	}
	select {
	case <-g.exited:
		return ended(g.state, g.err)
	case <-ctx.Done():
	}
	select {
	case <-g.exited: // it was faster, and what it left in the background is not ours to stop
		return ended(g.state, g.err)
	default:
		g.stop(r.Grace)
		return stopped(ctx, timeout)
	}
}

// argv returns the shell and its arguments. With -e the script ends at the first command that fails, with -u at a
// variable that is not set.
func (r *Runner) argv(cmd core.Command) ([]string, error) {
	switch {
	case strings.ContainsRune(cmd.Script, 0):
		return nil, errors.New("the script contains a NUL byte; remove it")
	case cmd.Shell == "" || cmd.Shell == "sh":
		return []string{"/bin/sh", "-eu", "-c", cmd.Script}, nil
	case cmd.Shell != "bash":
		return nil, fmt.Errorf("the shell %q is unknown; use sh or bash", cmd.Shell)
	case r.bash == "":
		return nil, errors.New("bash is not in PATH; install it, or leave out shell: bash")
	default:
		return []string{r.bash, "-eu", "-o", "pipefail", "-c", cmd.Script}, nil
	}
}

// find returns the path of a program, and "" if no folder of the environment's PATH has it.
func find(program string, environ []string) string {
	for _, v := range slices.Backward(environ) {
		path, ok := strings.CutPrefix(v, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			file := filepath.Join(dir, program)
			if info, err := os.Stat(file); err == nil && filepath.IsAbs(dir) && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file
			}
		}
		return ""
	}
	return ""
}

// explain says what to do about a shell that did not start.
func explain(err error, shell string) error {
	switch {
	case errors.Is(err, syscall.E2BIG):
		return errors.New("the script or one of its variables is longer than the system allows; " +
			"put a long script into a file, or make the waves smaller")
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w; the folder of the plan and %s must be there", err, shell)
	default:
		return err
	}
}
