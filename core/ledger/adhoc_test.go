package ledger
import ("testing";"time";"os";"strings"
"github.com/breakwater-ci/breakwater/core"
"github.com/breakwater-ci/breakwater/core/ledger/ledgertest")
func TestAdhoc(t *testing.T) {
	remote := bare(t)
	hook(t, remote, "pre-receive", "echo 'no pushes on Friday'; exit 1")
	l := open(t, "git:"+remote, env(t.TempDir()))
	t.Log(l.Append(t.Context(), line, 0, ledgertest.Rollout("r1", 0, 1)))
	l = open(t, "git:https://me:pw@127.0.0.1:1/x", env(t.TempDir()))
	t.Log(l.Append(t.Context(), line, 0, ledgertest.Rollout("r1", 0, 1)))
	l = open(t, "git:ssh://me:pw@127.0.0.1:1/x", env(t.TempDir()))
	_, err := l.Read(t.Context(), line)
	t.Log(err)
	l = open(t, "git:/nowhere", env(t.TempDir()))
	_, err = l.Read(t.Context(), line)
	t.Log(err)
	// cpu cost of file append
	for _, n := range []int{10, 100000} {
		d := t.TempDir()
		l := open(t, "file:"+d, env(""))
		f := l.store.(*fileLedger)
		sync := f.disk.sync
		f.disk.sync = func(*os.File) error { return nil }
		seq := int64(0)
		ev := ledgertest.Rollout("r", 0, n)
		for len(ev) > 0 { p := ev[:min(250,len(ev))]; ev = ev[len(p):]; add(t, l, seq, p...); seq += int64(len(p)) }
		s := time.Now()
		for range 2000 { add(t, l, seq, core.Event{Seq: seq+1, Type: core.EventRenewed, Rollout:"r"}); seq++ }
		t.Log(n, "no sync", time.Since(s)/2000)
		f.disk.sync = sync
		s = time.Now()
		for range 300 { add(t, l, seq, core.Event{Seq: seq+1, Type: core.EventRenewed, Rollout:"r"}); seq++ }
		t.Log(n, "sync", time.Since(s)/300)
	}
	for _, filter := range []string{"false","true"} {
		remote := bare(t)
		gitIn(t, remote, "config", "uploadpack.allowFilter", filter)
		l := open(t, "git:"+remote, env(""))
		g := l.store.(*gitLedger)
		var h head
		for r, ev := 0, []core.Event(nil); r < 400; r++ {
			ev = ledgertest.Rollout("r"+strings.Repeat("x", r), int64(r)*250, 250)
			txt, err := encode(line, h.end, ev)
			if err != nil { t.Fatal(err) }
			h, err = g.commit(t.Context(), line, h, txt, ev)
			if err != nil { t.Fatal(err) }
		}
		if err := g.push(t.Context(), line, head{}, h, nil); err != nil { t.Fatal(err) }
		f := open(t, "git:"+remote, env(""))
		s := time.Now()
		if _, err := f.Read(t.Context(), line); err != nil { t.Fatal(err) }
		t.Log("filter", filter, "fresh read", time.Since(s), gitIn(t, f.store.(*gitLedger).remote.repo, "count-objects", "-v"))
		s = time.Now()
		f.Read(t.Context(), line)
		t.Log("again", time.Since(s))
		s = time.Now()
		t.Log(length(t, f), "history", time.Since(s))
	}
}
