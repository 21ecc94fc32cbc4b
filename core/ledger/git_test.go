package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger/ledgertest"
)

// hook makes a bare repository run a shell script at a point of every push.
func hook(t *testing.T, remote, point, script string) {
	t.Helper()
	path := filepath.Join(remote, "hooks", point)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// patient returns an environment whose clock counts its waits, and calls during before each.
func patient(dir string, during func(wait int)) (Env, *int) {
	e, waits := env(dir), new(int)
	e.Clock = clock{during: func() { *waits++; during(*waits) }}
	return e, waits
}

func add(t *testing.T, l core.Ledger, after int64, events ...core.Event) {
	t.Helper()
	if err := l.Append(t.Context(), line, after, events); err != nil {
		t.Fatal(err)
	}
}

func length(t *testing.T, l core.Ledger) (n int) {
	t.Helper()
	for e, err := range l.(core.Historian).History(t.Context(), line) {
		if n++; err != nil || e.Seq != int64(n) {
			t.Fatalf("event %d of the history is numbered %d, %v", n, e.Seq, err)
		}
	}
	return n
}

func wantError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it works, want an error with %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q in it", err, want)
		}
	}
}

func TestGitLog(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	l := open(t, "git:"+remote, env(t.TempDir()))
	events := ledgertest.Rollout("r1", 0, 4)
	add(t, l, 0, events[0])
	events[1].Type, events[1].Wave, events[1].Targets = core.EventDeploying, "one-box", []string{"a"}
	events[2].Type, events[2].Wave, events[2].Results = core.EventDeployed, "one-box", make([]core.Result, 3)
	events[3].Type, events[3].State = core.EventEnded, core.StateSucceeded
	add(t, l, 1, events[1])
	add(t, l, 2, events[2:]...)
	add(t, l, 4, ledgertest.Rollout("r2", 4, 7)...)
	got := gitIn(t, remote, "log", "--format=%an <%ae> %cI%n%s", refOf(line))
	want := `Breakwater <breakwater@localhost> 2026-11-23T09:11:00+00:00
checkout/production: started v2 (1 wave), renewed, renewed, renewed, 3 more
Breakwater <breakwater@localhost> 2026-11-23T09:04:00+00:00
checkout/production: deployed wave one-box (3 targets), ended (succeeded)
Breakwater <breakwater@localhost> 2026-11-23T09:02:00+00:00
checkout/production: deploying wave one-box (1 target)
Breakwater <breakwater@localhost> 2026-11-23T09:01:00+00:00
checkout/production: started v2 (1 wave)
`
	if got != want {
		t.Errorf("the log is\n%swant\n%s", got, want)
	}
}

func TestGitRemoteThatRefuses(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	hook(t, remote, "pre-receive", "echo 'no pushes on Friday'; exit 1")
	e, waits := patient(t.TempDir(), func(int) {})
	l := open(t, "git:"+remote, e)
	err := l.Append(t.Context(), line, 0, ledgertest.Rollout("r1", 0, 1))
	wantError(t, err, "cannot write refs/breakwater/checkout/production on "+remote, "refused: pre-receive hook declined: ",
		"no pushes on Friday", "contents: write")
	if errors.Is(err, core.ErrConflict) || *waits != 0 {
		t.Errorf("after %d waits: %v, want no wait and no conflict", *waits, err)
	}
	if n := length(t, l); n != 0 {
		t.Errorf("the line has %d events", n)
	}
}

func TestGitRemoteThatVanishes(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	away := remote + ".away"
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			t.Error(err)
		}
	}
	e, waits := patient(t.TempDir(), func(wait int) {
		if wait == 3 {
			move(away, remote)
		}
	})
	l := open(t, "git:"+remote, e)
	events := ledgertest.Rollout("r1", 0, 3)
	add(t, l, 0, events[0])
	move(remote, away)
	add(t, l, 1, events[1])
	if *waits != 3 {
		t.Errorf("it came back after wait 3, and Append waited %d times", *waits)
	}
	move(remote, away)
	*waits = 3
	err := l.Append(t.Context(), line, 2, events[2:])
	wantError(t, err, "cannot write refs/breakwater/checkout/production on "+remote, "does not appear to be a git repository")
	if *waits != 3+tries-1 {
		t.Errorf("Append waited %d times, want %d", *waits-3, tries-1)
	}
	_, err = l.Read(t.Context(), line)
	wantError(t, err, "cannot read refs/breakwater/checkout/production on "+remote, "does not appear to be a git repository")
	move(away, remote)
	if n := length(t, l); n != 2 {
		t.Errorf("the line has %d events, want 2", n)
	}
	add(t, l, 2, events[2])
}

// A remote that takes its time is left when the context ends.
func TestGitSlowRemote(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	begun := filepath.Join(t.TempDir(), "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	hook(t, remote, "pre-receive", "echo > "+begun+"; exec sleep 600")
	l := open(t, "git:"+remote, env(t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		os.ReadFile(begun) // until the hook has begun
		cancel()
	}()
	if err := l.Append(ctx, line, 0, ledgertest.Rollout("r1", 0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v, want context.Canceled", err)
	}
	if err := os.Remove(filepath.Join(remote, "hooks", "pre-receive")); err != nil {
		t.Fatal(err)
	}
	add(t, l, 0, ledgertest.Rollout("r1", 0, 1)...) // no lock is left behind
}

// The remote takes a push, and its answer is lost.
func TestGitLostAnswer(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	hook(t, remote, "post-receive", "kill -9 0") // everything that the pusher started, and git push itself
	l := open(t, "git:"+remote, env(t.TempDir()))
	events := ledgertest.Rollout("r1", 0, 3)
	for _, e := range events {
		add(t, l, e.Seq-1, e)
	}
	if n := length(t, l); n != 3 {
		t.Errorf("the line has %d events, want 3", n)
	}
}

// The answer is lost, and others write before the remote is asked what happened.
func TestGitLostAnswerThenOthers(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	l, other := open(t, "git:"+remote, env(t.TempDir())), open(t, "git:"+remote, env(t.TempDir()))
	events := ledgertest.Rollout("r1", 0, 400)
	add(t, l, 0, events[:100]...)
	g := l.store.(*gitLedger)
	from := g.heads[line]
	text, err := encode(line, from.end, events[100:102])
	if err != nil {
		t.Fatal(err)
	}
	to, err := g.commit(t.Context(), line, from, text, events[100:102])
	if err != nil {
		t.Fatal(err)
	}
	if err := g.remote.push(t.Context(), refOf(line), from.commit, to.commit); err != nil {
		t.Fatal(err)
	}
	add(t, other, 102, events[102:300]...)
	add(t, other, 300, events[300:350]...)
	add(t, other, 350, events[350:]...) // in another segment
	if err := g.push(t.Context(), line, from, to, text); err != nil {
		t.Errorf("an append that got through is taken for one that did not: %v", err)
	}
	strange := ledgertest.Rollout("r1", 0, 102)[100:]
	strange[0].Actor = "actor-2"
	text, err = encode(line, from.end, strange)
	if err != nil {
		t.Fatal(err)
	}
	if to, err = g.commit(t.Context(), line, from, text, strange); err != nil {
		t.Fatal(err)
	}
	if err := g.push(t.Context(), line, from, to, text); !errors.Is(err, core.ErrConflict) {
		t.Errorf("an append that others came before: %v, want a conflict", err)
	}
	if n := length(t, l); n != 400 {
		t.Errorf("the line has %d events, want 400", n)
	}
}

func TestGitLedgerThatWentBack(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	l := open(t, "git:"+remote, env(t.TempDir()))
	events := ledgertest.Rollout("r1", 0, 4)
	add(t, l, 0, events[:2]...)
	add(t, l, 2, events[2:3]...)
	for _, c := range []struct {
		to   int
		harm []string
	}{
		{2, []string{"update-ref", refOf(line), refOf(line) + "^"}},
		{0, []string{"update-ref", "-d", refOf(line)}},
	} {
		gitIn(t, remote, c.harm...)
		want := fmt.Sprintf("the ledger on git:%s went back from event 3 to %d", remote, c.to)
		err := l.Append(t.Context(), line, 3, events[3:])
		wantError(t, err, want)
		if errors.Is(err, core.ErrConflict) {
			t.Errorf("Append: %v, want no conflict", err)
		}
		_, err = l.Read(t.Context(), line)
		wantError(t, err, want)
	}
	if refs := gitIn(t, remote, "for-each-ref"); refs != "" {
		t.Errorf("the ref that was deleted is back: %s", refs)
	}
}

func TestGitCorruptTree(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ commands, want string }{
		"a strange file":    {"M 100644 inline README\ndata 2\nx\n", "000/001.jsonl on %s: it is missing; next is README"},
		"a missing segment": {"R 000/000.jsonl 000/001.jsonl\n", "000/000.jsonl on %s: it is missing; next is 000/001.jsonl"},
		"a cut segment":     {"M 100644 inline 000/000.jsonl\ndata 5\n{\"a\":\n", "000/000.jsonl on %s: it is cut off after byte 0"},
		"a wrong segment":   {"M 100644 inline 000/000.jsonl\ndata 6\n{\"a\":\n\n", "000/000.jsonl on %s, line 1, byte 4: unexpected end"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			remote := bare(t)
			l := open(t, "git:"+remote, env(t.TempDir()))
			add(t, l, 0, ledgertest.Rollout("r1", 0, 3)...)
			script := fmt.Sprintf("commit %s\ncommitter x <x> 1 +0000\ndata 0\nfrom %[1]s^0\n%s\n", refOf(line), c.commands)
			if _, err := run(t.Context(), remote, os.Environ(), []byte(script), "fast-import", "--quiet"); err != nil {
				t.Fatal(err)
			}
			_, err := l.Read(t.Context(), line)
			wantError(t, err, fmt.Sprintf(refOf(line)+":"+c.want, remote))
		})
	}
}

// Of a long history only the newest segments are fetched, where the remote can send them alone.
func TestGitFetchesOnlyWhatItReads(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	gitIn(t, remote, "config", "uploadpack.allowFilter", "true")
	l := open(t, "git:"+remote, env(""))
	for r := range 10 {
		add(t, l, int64(r)*300, ledgertest.Rollout(fmt.Sprint("r", r), int64(r)*300, 300)...)
	}
	fresh := open(t, "git:"+remote, env(""))
	blobs := func() int {
		repo := fresh.store.(*gitLedger).remote.repo
		return strings.Count(gitIn(t, repo, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"), "blob")
	}
	if events, err := fresh.Read(t.Context(), line); err != nil || len(events) != 300 {
		t.Fatalf("Read gives %d events, %v", len(events), err)
	}
	if n := blobs(); n != 1 {
		t.Errorf("%d segments were fetched to read one", n)
	}
	add(t, fresh, 3000, ledgertest.Rollout("next", 3000, 1)...)
	if n := blobs(); n != 2 {
		t.Errorf("there are %d segments after an append, want the one that was read and the new one", n)
	}
	if n := length(t, fresh); n != 3001 {
		t.Errorf("the line has %d events", n)
	}
}

// clone makes a shallow clone, as CI systems do, and returns its folder.
func clone(t *testing.T, remote string) string {
	t.Helper()
	source, dir := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	gitIn(t, source, "init", "--quiet", "--initial-branch=main")
	for range 3 {
		gitIn(t, source, "-c", "user.name=x", "-c", "user.email=x", "commit", "--quiet", "--allow-empty", "--message=x")
	}
	gitIn(t, source, "push", "--quiet", remote, "main")
	gitIn(t, ".", "clone", "--quiet", "--depth=1", "--branch=main", "file://"+remote, dir)
	return dir
}

// listing tells every file below a folder with its size and time.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		fmt.Fprintln(&all, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// The user's clone is as it was, even if it belongs to somebody else, and the private repository is gone in the end.
func TestGitLeavesTheCloneAlone(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	dir := clone(t, remote)
	if os.Geteuid() == 0 {
		chown := func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, 12345, 12345))
		}
		if err := filepath.WalkDir(dir, chown); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, dir)
	e := env(dir)
	temp := t.TempDir()
	e.Environ = append(e.Environ, "TMPDIR="+temp, "GIT_INDEX_FILE=nowhere", "GIT_WORK_TREE=nowhere")
	l := open(t, "git:origin", e)
	add(t, l, 0, ledgertest.Rollout("r1", 0, 2)...)
	add(t, l, 2, ledgertest.Rollout("r2", 2, 2)...)
	if n := length(t, l); n != 4 {
		t.Errorf("the line has %d events", n)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A remote is found as the user's own git finds it.
func TestGitFindsTheRemote(t *testing.T) {
	t.Parallel()
	remote := bare(t)
	dir := clone(t, remote)
	sub := filepath.Join(dir, "deploy", "checkout")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, remote)
	if err != nil {
		t.Fatal(err)
	}
	included := filepath.Join(t.TempDir(), "included")
	gitIn(t, dir, "config", "--file", included, "remote.conditional.url", remote)
	gitIn(t, dir, "config", "includeIf.gitdir:"+dir+"/.git.path", included)
	gitIn(t, dir, "remote", "add", "relative", relative)
	gitIn(t, dir, "remote", "add", "replaced", "company:ledger")
	gitIn(t, dir, "config", "url."+filepath.Dir(remote)+"/.insteadOf", "company:")
	gitIn(t, dir, "config", "url."+remote+".insteadOf", "company:ledger")
	gitIn(t, dir, "remote", "add", "none", "/nowhere")
	add(t, open(t, "git:"+remote, env("")), 0, ledgertest.Rollout("r1", 0, 3)...)
	places := []string{"origin", "relative", "replaced", "conditional", remote, "file://" + remote, "../../" + relative}
	for _, place := range places {
		if n := length(t, open(t, "git:"+place, env(sub))); n != 3 {
			t.Errorf("git:%s has %d events, want 3", place, n)
		}
	}
	_, err = Open(t.Context(), "git:upstream", env(sub))
	wantError(t, err, `has no remote "upstream"; it has conditional, none, origin, relative, replaced`)
}

// The server gets the headers that it gets from the user's own git, and no secret is in a message.
func TestGitSecrets(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- strings.Join(r.Header.Values("X-Token"), ", ")
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	dir, home := clone(t, bare(t)), t.TempDir()
	global, included := filepath.Join(home, ".gitconfig"), filepath.Join(home, "included")
	gitIn(t, dir, "config", "--file", global, "http.extraheader", "X-Token: from-home")
	gitIn(t, dir, "config", "--file", global, "includeIf.gitdir:"+dir+"/.path", included)
	gitIn(t, dir, "config", "--file", included, "http.extraheader", "X-Token: from-include")
	gitIn(t, dir, "config", "http."+server.URL+"/.extraheader", "X-Token: from-clone")
	gitIn(t, dir, "remote", "set-url", "origin", strings.Replace(server.URL, "://", "://me:hunter2@", 1)+"/x.git")
	e, waits := patient(dir, func(int) {})
	e.Environ = append(e.Environ, "HOME="+home, "XDG_CONFIG_HOME="+home, "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=http.extraheader", "GIT_CONFIG_VALUE_0=X-Token: from-environment")
	if _, err := run(t.Context(), dir, e.Environ, nil, "ls-remote", "origin"); err == nil {
		t.Fatal("the server lets git in")
	}
	want := <-seen
	err := open(t, "git:origin", e).Append(t.Context(), line, 0, ledgertest.Rollout("r1", 0, 1))
	wantError(t, err, "refs/breakwater/checkout/production on origin", "403", "contents: write")
	if strings.Contains(err.Error(), "hunter2") || *waits != 0 {
		t.Errorf("after %d waits: %v", *waits, err)
	}
	if got := <-seen; got != want || want == "" {
		t.Errorf("the server got the tokens %q, from the user's own git %q", got, want)
	}
	_, err = Open(t.Context(), "hub:https://me:hunter2@x", e)
	wantError(t, err, "hub:https://***@x")
}

func BenchmarkAppend(b *testing.B) {
	for kind, url := range map[string]string{"file": "file:" + b.TempDir() + "/", "git": "git:" + b.TempDir() + "/"} {
		for _, before := range []int{10, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, before), func(b *testing.B) {
				place := fmt.Sprint(url, before, time.Now().UnixNano())
				if kind == "git" {
					gitIn(b, ".", "init", "--quiet", "--bare", strings.TrimPrefix(place, "git:"))
				}
				fill(b, open(b, place, env("")), before)
				l := open(b, place, env("")) // as the next job does
				if _, err := l.Read(b.Context(), line); err != nil {
					b.Fatal(err)
				}
				seq := int64(before)
				for b.Loop() {
					e := core.Event{Seq: seq + 1, At: time.Unix(0, 0), Type: core.EventRenewed, Rollout: "r", Actor: "actor-1"}
					if err := l.Append(b.Context(), line, seq, []core.Event{e}); err != nil {
						b.Fatal(err)
					}
					seq++
				}
			})
		}
	}
}

// fill appends n events. For git it makes the commits of many appends, and pushes them at once.
func fill(b *testing.B, l *guard, n int) {
	const batch = 250
	events := ledgertest.Rollout("r", 0, n)
	g, isGit := l.store.(*gitLedger)
	var h head
	for len(events) > 0 {
		part := events[:min(batch, len(events))]
		events = events[len(part):]
		if !isGit {
			if err := l.Append(b.Context(), line, part[0].Seq-1, part); err != nil {
				b.Fatal(err)
			}
			continue
		}
		text, err := encode(line, h.end, part)
		if err != nil {
			b.Fatal(err)
		}
		if h, err = g.commit(b.Context(), line, h, text, part); err != nil {
			b.Fatal(err)
		}
	}
	if isGit {
		if err := g.push(b.Context(), line, head{}, h, nil); err != nil {
			b.Fatal(err)
		}
	}
}
