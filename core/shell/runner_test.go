package shell_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"
)

const path = "PATH=/usr/local/bin:/usr/bin:/bin"

func TestRun(t *testing.T) {
	dir := t.TempDir()
	r := shell.New(dir, []string{path, "BREAKWATER_LEDGER=file:outer", "DEPLOY_TOKEN=s3cr3t-value", "PLAIN=yes"})
	act := core.Act{
		Rollout: "r1", Wave: "one-box", Version: "v2", Previous: "v1", Attempt: 2,
		Target: core.Target{Name: "a'; rm -rf $HOME", Labels: map[string]string{"zone": "$(date)"}},
	}
	for name, c := range map[string]struct {
		script, bash string
		want         string
		fails        string
	}{
		"both streams in order":    {script: "echo 1; echo 2 >&2; echo 3", want: "1\n2\n3\n"},
		"nothing to read":          {script: "cat; echo end", want: "end\n"},
		"folder of the plan":       {script: "pwd -P", want: real(t, dir) + "\n"},
		"inherited variable":       {script: "echo $PLAIN", want: "yes\n"},
		"outer flags stay out":     {script: "echo ${BREAKWATER_LEDGER-unset}", want: "unset\n"},
		"values are data":          {script: `echo "$BREAKWATER_TARGET|$BREAKWATER_LABEL_ZONE"`, want: "a'; rm -rf $HOME|$(date)\n"},
		"the act":                  {script: "echo $BREAKWATER_ACTION $BREAKWATER_VERSION $BREAKWATER_ATTEMPT", want: "deploy v2 2\n"},
		"secrets are masked":       {script: "echo $DEPLOY_TOKEN; exit 4", want: "***\n", fails: "exit 4: ***"},
		"not UTF-8":                {script: `printf 'a\377b'`, want: "a\uFFFDb"},
		"first failing command":    {script: "echo broken; false; echo no", want: "broken\n", fails: "exit 1: broken"},
		"variable that is not set": {script: "echo $NOPE", fails: "NOPE"},
		"exit code":                {script: "exit 3", fails: "exit 3"},
		"not found":                {script: "no-such-command", fails: "exit 127 (a command was not found; "},
		"not executable":           {script: "/dev/null", fails: "exit 126 (a command was found, but could not be run"},
		"signal":                   {script: "kill -9 $$", fails: "ended by signal 9, killed; out of memory?"},
		"signal of a child":        {script: `sh -c 'kill -15 $$'`, fails: "exit 143 (a command was ended by signal 15, terminated)"},
		"pipe with sh":             {script: "false | true", want: ""},
		"pipe with bash":           {script: "false | true", bash: "bash", fails: "exit 1"},
		"bash":                     {script: "[[ 1 == 1 ]] && echo bash", bash: "bash", want: "bash\n"},
		"unknown shell":            {script: ":", bash: "fish", fails: `the shell "fish" is unknown; use sh or bash`},
		"NUL in the script":        {script: "echo \x00", fails: "the script contains a NUL byte"},
		"script that does not fit": {script: strings.Repeat("#", 1<<22), fails: "longer than the system allows"},
		"colors in the last line": {script: `printf '\033[31mdisk full\033[0m\n\n'; exit 9`,
			want: "\033[31mdisk full\033[0m\n\n", fails: "exit 9: disk full"},
		"progress in the last line": {script: `printf '10%%\r99%%\r'; exit 9`, want: "10%\r99%\r", fails: "exit 9: 99%"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := r.Run(t.Context(), core.Command{Script: c.script, Shell: c.bash}, shell.ForAct(act), time.Minute)
			check(t, err, c.fails)
			if got != c.want && !(c.want == "" && c.fails != "") {
				t.Errorf("printed %q, want %q", got, c.want)
			}
		})
	}
}

// TestFailed looks at what the error is, not only at what it says.
func TestFailed(t *testing.T) {
	run := func(ctx context.Context, dir, script string, vars shell.Vars, timeout time.Duration) *shell.Error {
		r := shell.New(dir, []string{path})
		_, err := r.Run(ctx, core.Command{Script: script}, vars, timeout)
		failed, ok := errors.AsType[*shell.Error](err)
		if !ok {
			t.Fatalf("got %v (%T)", err, err)
		}
		return failed
	}
	dir := t.TempDir()
	if e := run(t.Context(), dir, "exit 75", shell.Vars{}, 0); e.Code != 75 {
		t.Errorf("exit 75: %+v", e)
	}
	if e := run(t.Context(), dir, "kill -9 $$", shell.Vars{}, 0); e.Signal != syscall.SIGKILL || e.Code != -1 {
		t.Errorf("kill -9: %+v", e)
	}
	if e := run(t.Context(), dir, "echo start; sleep 60", shell.Vars{}, 50*time.Millisecond); e.Timeout != 50*time.Millisecond ||
		e.Code != -1 || !strings.HasPrefix(e.Error(), "timed out after 50ms") {
		t.Errorf("timeout: %v %+v", e, e)
	}
	why := errors.New("the lease is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if e := run(ctx, dir, "echo no > ran", shell.Vars{}, 0); !errors.Is(e, why) {
		t.Errorf("ended context: %v", e)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("a command ran although its context had ended")
	}
	if e := run(t.Context(), dir+"/gone", ":", shell.Vars{}, 0); !errors.Is(e, os.ErrNotExist) || e.Code != -1 {
		t.Errorf("no folder: %v", e)
	}
	if e := run(t.Context(), dir, ":", shell.Vars{Version: "1\x00"}, 0); !strings.Contains(e.Error(), "BREAKWATER_VERSION") {
		t.Errorf("NUL in a value: %v", e)
	}
	noBash := shell.New(dir, []string{"PATH=relative:" + dir})
	_, err := noBash.Run(t.Context(), core.Command{Script: ":", Shell: "bash"}, shell.Vars{}, 0)
	check(t, err, "bash is not in PATH; install it, or leave out shell: bash")
}

// TestStop has a command start a grandchild that ignores SIGTERM and holds a pipe open: when Run is back, nobody may
// hold it any more.
func TestStop(t *testing.T) {
	for _, how := range []string{"cancel", "timeout"} {
		for name, script := range map[string]string{
			"polite":            `exec 9>"$BREAKWATER_VERSION"; sleep 60 & echo up >&9; wait`,
			"deaf grandchild":   `exec 9>"$BREAKWATER_VERSION"; (trap '' TERM; echo up >&9; while :; do sleep 1; done) & wait`,
			"deaf, in silence":  `exec 9>"$BREAKWATER_VERSION"; (trap '' TERM; echo up >&9; while :; do sleep 1; done) >&9 2>&9 & wait`,
			"deaf from the top": `trap '' TERM; exec 9>"$BREAKWATER_VERSION"; echo up >&9; while :; do sleep 1; done`,
			"leader goes first": `exec 9>"$BREAKWATER_VERSION"; trap 'exit 0' TERM
				(trap '' TERM; echo up >&9; while :; do sleep 1; done) & wait`,
		} {
			t.Run(how+" "+name, func(t *testing.T) {
				t.Parallel()
				r := shell.New(t.TempDir(), []string{path})
				r.Grace = 100 * time.Millisecond
				w := watch(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				timeout := 2 * time.Second
				if how == "cancel" {
					timeout = 0
				}
				up := make(chan struct{})
				go func() {
					defer close(up)
					w.up(t)
					if how == "cancel" {
						cancel()
					}
				}()
				_, err := r.Run(ctx, core.Command{Script: script}, shell.Vars{Version: w.name}, timeout)
				if how == "timeout" {
					check(t, err, "timed out after 2s")
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				<-up
				w.gone(t)
			})
		}
	}
}

// TestDaemon leaves a process in the background that holds the output open. It must neither hold up the command nor be
// stopped.
func TestDaemon(t *testing.T) {
	for _, end := range []string{"true", "exit 3"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			r := shell.New(t.TempDir(), []string{path})
			out, err := r.Run(t.Context(), core.Command{Script: "sleep 600 & echo $!; " + end}, shell.Vars{}, time.Minute)
			if (err != nil) != (end == "exit 3") {
				t.Error(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(out))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("the process in the background is gone: %v", err)
			}
		})
	}
}

func TestRead(t *testing.T) {
	r := shell.New(t.TempDir(), []string{path, "CACHE_KEY=v1.2.3-rc1"})
	for name, c := range map[string]struct{ script, want, fails string }{
		"only standard output": {script: "echo asking >&2; echo v1", want: "v1\n"},
		"says why":             {script: "echo v1; echo no route >&2; exit 2", fails: "exit 2: no route"},
		"a secret is no answer": {script: "echo v1.2.3-rc1", fails: "the answer contains the value of the secret variable CACHE_KEY; " +
			"print something else, or rename the variable if it is no secret"},
		"too long":  {script: "head -c 67108865 /dev/zero", fails: "the answer is longer than 64 MiB"},
		"just fits": {script: "head -c 67108864 /dev/zero | wc -c", want: "67108864\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := r.Read(t.Context(), core.Command{Script: c.script}, shell.Vars{Action: shell.ActionCurrent}, time.Minute)
			check(t, err, c.fails)
			if strings.TrimSpace(got) != strings.TrimSpace(c.want) {
				t.Errorf("answered %.100q, want %q", got, c.want)
			}
		})
	}
}

// TestConcurrent runs many commands at the same time: each gets its own output and variables.
func TestConcurrent(t *testing.T) {
	r := shell.New(t.TempDir(), []string{path})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			version := strconv.Itoa(i)
			got, err := r.Run(t.Context(), core.Command{Script: "echo $BREAKWATER_VERSION"}, shell.Vars{Version: version}, 0)
			if err != nil || got != version+"\n" {
				t.Errorf("%s: %q, %v", version, got, err)
			}
		})
	}
	wg.Wait()
}

// TestLong keeps the beginning and the end of an output that is too long.
func TestLong(t *testing.T) {
	r := shell.New(t.TempDir(), []string{path})
	got, err := r.Run(t.Context(), core.Command{Script: "echo first; seq 200000; echo last; exit 1"}, shell.Vars{}, 0)
	check(t, err, "exit 1: last")
	if !strings.HasPrefix(got, "first\n1\n2\n") || !strings.HasSuffix(got, "\n200000\nlast\n") ||
		!strings.Contains(got, "\n... 1206986 bytes left out ...\n") || len(got) > 81<<10 {
		t.Errorf("%d bytes: %.40q ... %.40q", len(got), got, got[len(got)-40:])
	}
}

// A lifeline is a named pipe that tells whether processes are left that opened it to write.
type lifeline struct {
	name        string
	read, write *os.File
}

func watch(t *testing.T) lifeline {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lives")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	write, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return lifeline{name, read, write}
}

// up waits for the first line.
func (l lifeline) up(t *testing.T) {
	defer l.write.Close()
	l.read.SetReadDeadline(time.Now().Add(20 * time.Second))
	if line, err := bufio.NewReader(l.read).ReadString('\n'); line != "up\n" {
		t.Errorf("read %q, %v", line, err)
	}
}

// gone fails the test if somebody can still write.
func (l lifeline) gone(t *testing.T) {
	t.Helper()
	l.read.SetReadDeadline(time.Now().Add(time.Second))
	if rest, err := io.ReadAll(l.read); err != nil {
		t.Errorf("something still runs: read %q, %v", rest, err)
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

func real(t *testing.T, dir string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
