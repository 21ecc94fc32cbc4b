package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// TestMain makes the test binary a writer when it is told so: a process that can be killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("LEDGER_WRITER")
	if dir == "" {
		os.Exit(m.Run())
	}
	if limit, err := strconv.ParseUint(os.Getenv("LEDGER_LIMIT"), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			panic(err)
		}
	}
	fmt.Fprintln(os.Stderr, writeForever(dir))
	os.Exit(1)
}

// writeForever appends events until it fails, and prints the number of each that is in the ledger.
func writeForever(dir string) error {
	ctx := context.Background()
	l, err := Open(ctx, "file:"+dir, Env{Clock: clock{}})
	if err != nil {
		return err
	}
	events, err := l.Read(ctx, line)
	if err != nil {
		return err
	}
	var last int64
	if len(events) > 0 {
		last = events[len(events)-1].Seq
	}
	for {
		batch := ledgertest.Rollout(fmt.Sprint("r", last), last, 1+int(last%4))
		batch[0].Start.Plan = strings.Repeat("# plan\n", 2000)
		if err := l.Append(ctx, line, last, batch); err != nil {
			return err
		}
		last += int64(len(batch))
		fmt.Println(last)
	}
}

func TestKilledWriter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 30 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "LEDGER_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged int64
		killAfter := rand.IntN(8)
		for said := bufio.NewScanner(out); said.Scan(); killAfter-- {
			if acknowledged, err = strconv.ParseInt(said.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if killAfter == 0 {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the writer was not killed: %v", err)
		}
		var last int64
		for e, err := range open(t, "file:"+dir, env("")).History(t.Context(), line) {
			if err != nil {
				t.Fatal(err)
			}
			last = e.Seq
		}
		if last < acknowledged {
			t.Fatalf("event %d was acknowledged, the ledger ends at %d", acknowledged, last)
		}
	}
}

// A limit on the size of files cuts a write short as a full disk does.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "LEDGER_WRITER="+dir, "LEDGER_LIMIT=100000")
	out, err := cmd.Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("the writer ended with %v", err)
	}
	said := string(exit.Stderr)
	segment := filepath.Join(dir, line.String(), fileName(0))
	for _, want := range []string{segment, "file too large", "nothing was added"} {
		if !strings.Contains(said, want) {
			t.Errorf("the error is %q, want %q in it", said, want)
		}
	}
	lines := strings.Fields(string(out))
	want := lines[len(lines)-1]
	l := open(t, "file:"+dir, env(""))
	events, err := l.Read(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1].Seq
	if fmt.Sprint(last) != want {
		t.Errorf("the ledger ends at event %d, acknowledged was %s", last, want)
	}
	text, err := os.ReadFile(segment)
	if err != nil || text[len(text)-1] != '\n' {
		t.Errorf("what was written in part is still there: %v", err)
	}
}

// write makes a ledger in dir of two appends, the second of three events, and returns its only segment.
func write(t *testing.T, dir string) (segment string, text []byte, first int) {
	t.Helper()
	l := open(t, "file:"+dir, env(""))
	events := ledgertest.Rollout("r1", 0, 4)
	segment = filepath.Join(dir, line.String(), fileName(0))
	for _, part := range [][]core.Event{events[:1], events[1:]} {
		if err := l.Append(t.Context(), line, part[0].Seq-1, part); err != nil {
			t.Fatal(err)
		}
		first = len(text)
		var err error
		if text, err = os.ReadFile(segment); err != nil {
			t.Fatal(err)
		}
	}
	return segment, text, first
}

func TestTornAppend(t *testing.T) {
	dir := t.TempDir()
	segment, text, first := write(t, dir)
	for cut := range len(text) {
		if err := os.WriteFile(segment, text[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		if cut >= first {
			want = 1
		}
		l := open(t, "file:"+dir, env(""))
		l.store.(*fileLedger).disk.sync = func(*os.File) error { return nil } // a thousand would take a while
		events, err := l.Read(t.Context(), line)
		if err != nil || int64(len(events)) != want {
			t.Fatalf("cut at byte %d: Read gives %d events, %v, want %d", cut, len(events), err, want)
		}
		next := ledgertest.Rollout("r1", 0, 3)[want:]
		if err := l.Append(t.Context(), line, want, next); err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		events, err = l.Read(t.Context(), line)
		if err != nil || len(events) != 3 {
			t.Fatalf("cut at byte %d, then appended: Read gives %d events, %v", cut, len(events), err)
		}
	}
}

// An append that begins a segment can be cut off as well.
func TestTornSegment(t *testing.T) {
	dir := t.TempDir()
	l := open(t, "file:"+dir, env(""))
	l.store.(*fileLedger).limit = 0
	events := ledgertest.Rollout("r1", 0, 4)
	for _, e := range events[:3] {
		if err := l.Append(t.Context(), line, e.Seq-1, []core.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int64{0, 10} {
		if err := os.Truncate(filepath.Join(dir, line.String(), fileName(2)), size); err != nil {
			t.Fatal(err)
		}
		again := open(t, "file:"+dir, env(""))
		if got, err := again.Read(t.Context(), line); err != nil || len(got) != 2 {
			t.Fatalf("Read gives %d events, %v", len(got), err)
		}
		if err := again.Append(t.Context(), line, 2, events[2:]); err != nil {
			t.Fatal(err)
		}
		if got, err := again.Read(t.Context(), line); err != nil || len(got) != 4 {
			t.Fatalf("Read gives %d events, %v", len(got), err)
		}
	}
}

func TestCorruptFile(t *testing.T) {
	for what, c := range map[string]struct {
		harm func(segment string, text []byte) error
		want string
	}{
		"a wrong byte in the middle": {func(segment string, text []byte) error {
			return os.WriteFile(segment, slices.Replace(slices.Clone(text), 500, 501, 0), 0o644)
		}, "000000.jsonl, line 2, byte 500: invalid character"},
		"a wrong byte at the end": {func(segment string, text []byte) error {
			return os.WriteFile(segment, slices.Replace(slices.Clone(text), len(text)-30, len(text)-29, '#'), 0o644)
		}, "000000.jsonl, line 4, byte "},
		"a missing segment": {func(segment string, text []byte) error {
			return os.Rename(segment, filepath.Join(filepath.Dir(segment), fileName(1)))
		}, "000000.jsonl: it is missing; next is 000001.jsonl"},
		"a sealed segment that is cut": {func(segment string, text []byte) error {
			next, err := encode(line, end{4, "r1"}, ledgertest.Rollout("r2", 4, 1))
			second := filepath.Join(filepath.Dir(segment), fileName(1))
			return errors.Join(err, os.Truncate(segment, 600), os.WriteFile(second, next, 0o644))
		}, "000000.jsonl: it is cut off after byte 403"},
		"a gap between segments": {func(segment string, text []byte) error {
			next, err := encode(line, end{9, "r1"}, ledgertest.Rollout("r2", 9, 1))
			return errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(segment), fileName(1)), next, 0o644))
		}, "000001.jsonl, line 1, byte 0: event 10 comes right after event 4"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			dir := t.TempDir()
			segment, text, _ := write(t, dir)
			if err := c.harm(segment, text); err != nil {
				t.Fatal(err)
			}
			l := open(t, "file:"+dir, env(""))
			var err error
			for _, failed := range l.History(t.Context(), line) {
				err = failed
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("History: %v, want an error with %q", err, c.want)
			}
			_, err = l.Read(t.Context(), line)
			if newer := strings.Contains(c.want, "000001.jsonl, ") || strings.Contains(c.want, "cut off"); newer != (err == nil) {
				t.Errorf("Read: %v, want it to work only where a newer segment starts a rollout", err)
			}
		})
	}
}

// A write that is cut short and a sync that fails are taken back, and the next append works.
func TestFailingDisk(t *testing.T) {
	whole := disk{write: (*os.File).Write, sync: (*os.File).Sync}
	for what, c := range map[string]struct {
		disk disk
		want string
	}{
		"no space": {disk{sync: whole.sync, write: func(f *os.File, text []byte) (int, error) {
			n, _ := f.Write(text[:len(text)/2])
			return n, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		}}, "no space left on device; nothing was added, free some space"},
		"a broken disk": {disk{sync: whole.sync, write: func(f *os.File, text []byte) (int, error) {
			return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.EIO}
		}}, "input/output error"},
		"a failing sync": {disk{write: whole.write, sync: func(f *os.File) error {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
		}}, "sync "},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, "file:"+dir, env(""))
			file := l.store.(*fileLedger)
			events := ledgertest.Rollout("r1", 0, 4)
			for after := range int64(2) { // the first fault is in a new file
				file.disk = c.disk
				err := l.Append(t.Context(), line, after, events[after:])
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "000000.jsonl") {
					t.Errorf("Append: %v, want an error with %q that names the file", err, c.want)
				}
				file.disk = whole
				if got, err := l.Read(t.Context(), line); err != nil || int64(len(got)) != after {
					t.Fatalf("Read after the failure gives %d events, %v, want %d", len(got), err, after)
				}
				if err := l.Append(t.Context(), line, after, events[after:after+1]); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"file:file":    "is a file; name a folder",
		"file:file/in": "not a directory",
		"":             "which ledger? Set --ledger or BREAKWATER_LEDGER",
		"file:":        "says no place; write file:PLACE",
		".breakwater":  "is of no known kind; write one of file:, git:",
		"ftp:x":        `ledger "ftp:x" is of no known kind`,
	} {
		if _, err := Open(t.Context(), url, env(dir)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v, want an error with %q", url, err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "checkout"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := open(t, "file:"+dir, env(""))
	if err := l.Append(t.Context(), line, 0, ledgertest.Rollout("r1", 0, 1)); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Append where a folder is a file: %v", err)
	}
	if _, err := l.Read(t.Context(), line); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Read where a folder is a file: %v", err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // so that another user gets as far as the folder
		t.Fatal(err)
	}
	l := open(t, "file:"+dir, env(""))
	asNobody(func() {
		if events, err := l.Read(t.Context(), line); err != nil || len(events) != 4 {
			t.Errorf("Read gives %d events, %v", len(events), err)
		}
		err := l.Append(t.Context(), line, 4, ledgertest.Rollout("r2", 4, 1))
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Append: %v, want fs.ErrPermission", err)
		}
		wantError(t, err, dir, "give this user access")
	})
}

// asNobody calls f in a thread that may touch only what every user may touch. The thread ends with f.
func asNobody(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		syscall.Setfsuid(65534) // changes nothing unless this process is root's, which no permission stops
		f()
	}()
	<-done
}

// A reader waits for a writer that is in the middle of its append, and no longer than its context lasts.
func TestLockedFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir)
	held, err := os.Open(filepath.Join(dir, line.String(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	waits := 0
	e := env("")
	ctx, cancel := context.WithCancel(t.Context())
	e.Clock = clock{during: func() {
		if waits++; waits == 3 {
			cancel()
		}
	}}
	l := open(t, "file:"+dir, e)
	if _, err := l.Read(ctx, line); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v, want context.Canceled", err)
	}
	waits = 0
	e.Clock = clock{during: func() {
		if waits++; waits == 3 {
			syscall.Flock(int(held.Fd()), syscall.LOCK_UN)
		}
	}}
	if _, err := open(t, "file:"+dir, e).Read(t.Context(), line); err != nil || waits != 3 {
		t.Errorf("Read: %v after %d waits, want 3", err, waits)
	}
}

// A ledger that somebody removed or cut does not start again in silence.
func TestLedgerThatWentBack(t *testing.T) {
	dir := t.TempDir()
	l := open(t, "file:"+dir, env(""))
	segment, text, first := write(t, dir)
	if _, err := l.Read(t.Context(), line); err != nil {
		t.Fatal(err)
	}
	for to, harm := range []func() error{
		func() error { return os.RemoveAll(filepath.Join(dir, "checkout")) },
		func() error {
			return errors.Join(os.MkdirAll(filepath.Dir(segment), 0o755), os.WriteFile(segment, text[:first], 0o644))
		},
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("went back from event 4 to %d on checkout/production", to)
		if _, err := l.Read(t.Context(), line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read: %v, want an error with %q", err, want)
		}
		err := l.Append(t.Context(), line, 4, ledgertest.Rollout("r2", 4, 1))
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, core.ErrConflict) {
			t.Errorf("Append: %v, want an error with %q", err, want)
		}
	}
}
